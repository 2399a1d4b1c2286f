"""What `fake` takes names, streets and towns from: short lists of our own, of nobody in particular.

Two people may get the same name: a fake is to be read, not to be joined by.
"""

from __future__ import annotations

from collections.abc import Sequence

# ruff: noqa: SIM905 - a list of words is easier to read as one text

_FIRST = (
    "Ada Adam Agnes Alan Alice Amos Anna Anton Arlo Astrid Basil Beatrice Benno Bertha Boris Bruno Carla Caspar Cecilia "
    "Conrad Cora Cyril Dagmar Daphne Dennis Dora Edgar Edith Elias Ella Emil Emma Erik Esther Eva Felix Fiona Flora Frank "
    "Frieda Georg Gerda Greta Gustav Hanna Harold Heidi Helen Henry Hilda Hugo Ida Igor Ines Irene Iris Ivan Jakob Jasper "
    "Joan Jonas Judith Julia Karl Kate Klara Konrad Lara Laura Lena Leo Lilian Linus Lotte Louis Lucas Lydia Magnus Mara "
    "Marcus Marta Matilda Max Mia Milo Mona Nadia Nina Noah Nora Oleg Olga Oscar Otto Paula Peter Petra Philip Ralph Rita "
    "Robin Rosa Rufus Ruth Sara Selma Simon Sofia Stella Sven Tessa Theo Thomas Tilda Ursula Vera Victor Viola Walter Wanda"
).split()
_LAST = (
    "Abbot Acker Alder Archer Ash Baker Banks Barley Becker Beech Berg Birch Bishop Bloom Bolt Brandt Bridge Brook "
    "Carter Castle Chandler Cole Cooper Cross Dale Dean Drake Dyer Elm Falk Farmer Field Finch Fisher Forest "
    "Foster Fowler Fox Frost Fuller Gardner Glover Gold Grant Green Grove Hale Harper Hart Hawk Hayes Heath Hill Holm Hood "
    "Hunter Kane Keller Kent King Knight Lake Lane Lark Lind Lock Long Marsh Mason Meadow Mercer Miller Moor Moss Nash "
    "North Page Park Parson Pike Plum Pond Porter Potter Quill Reed Rhodes Rivers Rowan Sand Sawyer Shaw Shepherd "
    "Slater Smith Snow Stone Summer Swan Tanner Taylor Thorn Tyler Vale Wade Ward Weaver Webb Wells West Winter Wood"
).split()
_TREES = (
    "Alder Ash Aspen Beech Birch Cedar Cherry Chestnut Elm Hazel Juniper Laurel Linden Maple Oak Pine Poplar Rowan".split()
)
_WAYS = "Street Avenue Lane Road Court Way Drive Place".split()
_TOWNS = (
    "Ashford Barton Brookfield Clayton Easton Fairview Glendale Greenfield Hampton Kingston Lakeside Linden Marlow Milton "
    "Newbury Northfield Oakdale Preston Riverton Salem Springdale Stanton Sutton Weston Winfield Woodland"
).split()

# Each list by the parts of which its entries are made, which are many more than their parts.
FAKES: dict[str, tuple[Sequence[str], ...]] = {
    "name": (_FIRST, _LAST),
    "first_name": (_FIRST,),
    "last_name": (_LAST,),
    "street": (tuple(str(number) for number in range(1, 200)), _TREES, _WAYS),
    "town": (_TOWNS,),
}


def fake(of: str, number: int) -> str:
    """Return an entry of a list by any whole number from 0 on."""
    words = []
    for part in FAKES[of]:
        number, at = divmod(number, len(part))
        words.append(part[at])
    return " ".join(words)

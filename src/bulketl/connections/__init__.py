"""What every connection needs, to whichever server, and everything else outside: the web, and commands of the user's.

`tls`: four words for how the line is protected, the same for all drivers. `watch`, `stacks` and `sockets`: what threads say
to servers, and the watch that ends a connection on which nothing moves while its server is not at work. `retrying`: trying
again what only looks, or what may be done twice; the steps of a load are tried again by their schedule alone. `web` asks
one question over HTTP, `commands` carries a command out, `limited` has any act end.
"""

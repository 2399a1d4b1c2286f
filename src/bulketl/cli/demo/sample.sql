-- The sample database of `bulketl demo`: the Otter Creek animal clinic, all of it made up.
-- For MariaDB 10.6 and later and MySQL 8 and later. The same rows every time: no clock, no random numbers.
-- Run statement by statement, split at each semicolon that ends a line. "Awkward:" marks what real databases are like.

SET NAMES utf8mb4;
-- An old application's settings: zero dates, partial dates and unknown enum values are let in.
SET SESSION sql_mode = '';
SET SESSION time_zone = '+00:00';

-- Two helpers, dropped at the end: ten digits, and the numbers from 0 to 49,999.
CREATE TABLE digits (n INT PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO digits VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9);
CREATE TABLE numbers (n INT PRIMARY KEY) ENGINE=InnoDB;
INSERT INTO numbers SELECT 10000 * a.n + 1000 * b.n + 100 * c.n + 10 * d.n + e.n
FROM digits a CROSS JOIN digits b CROSS JOIN digits c CROSS JOIN digits d CROSS JOIN digits e
WHERE a.n < 5 ORDER BY 1;


-- Reference ---------------------------------------------------------------------------------------------------------

-- Awkward: the key is text.
CREATE TABLE country (
  code CHAR(2) PRIMARY KEY, name VARCHAR(60) NOT NULL, currency CHAR(3) NOT NULL, flag VARCHAR(8)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO country VALUES ('AT', 'Österreich', 'EUR', '🇦🇹'), ('CH', 'Schweiz', 'CHF', '🇨🇭'), ('CZ', 'Česko', 'CZK', '🇨🇿'),
  ('DE', 'Deutschland', 'EUR', '🇩🇪'), ('GR', 'Ελλάδα', 'EUR', NULL), ('JP', '日本', 'JPY', '');

-- Awkward: one latin1 column in a utf8mb4 table, and an enum with an empty member (an unknown one becomes '' too).
CREATE TABLE species (
  id TINYINT UNSIGNED PRIMARY KEY, name VARCHAR(40) NOT NULL, icon CHAR(1), latin_name VARCHAR(60) CHARACTER SET latin1,
  size ENUM('', 'small', 'medium', 'large') NOT NULL DEFAULT ''
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO species VALUES (1, 'dog', '🐶', 'Canis familiaris', 'medium'), (2, 'cat', '🐱', 'Felis catus', 'small'),
  (3, 'rabbit', '🐰', 'Oryctolagus cuniculus', 'small'), (4, 'horse', '🐴', 'Equus caballus', 'large'),
  (5, 'parrot', '🦜', 'Psittacidæ', ''), (6, 'tortoise', '🐢', 'Testudo græca', 'no such member'),
  (255, 'other', NULL, NULL, '');

-- A composite key.
CREATE TABLE breed (
  species_id TINYINT UNSIGNED NOT NULL, code CHAR(3) NOT NULL, name VARCHAR(40) NOT NULL, PRIMARY KEY (species_id, code)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO breed SELECT s.id, CONCAT(LEFT(UPPER(s.name), 2), d.n), CONCAT(ELT(1 + d.n, 'common', 'short-haired',
    'long-haired', 'dwarf', 'giant', 'spotted', 'island', 'alpine', 'red', 'blue'), ' ', s.name)
FROM species s CROSS JOIN digits d;

-- A set, and a colour kept as a number.
CREATE TABLE visit_type (
  id TINYINT UNSIGNED PRIMARY KEY, name VARCHAR(40) NOT NULL, minutes SMALLINT NOT NULL, color MEDIUMINT UNSIGNED NOT NULL,
  needs SET('vet', 'nurse', 'x-ray', 'surgery') NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO visit_type VALUES (1, 'check-up', 20, 0xA0D468, 'vet'), (2, 'vaccination', 10, 0x5D9CEC, 'nurse'),
  (3, 'surgery', 90, 0xDA4453, 'vet,nurse,surgery'), (4, 'x-ray', 30, 0xAAB2BD, 'nurse,x-ray'), (5, 'phone call', 5, 0, '');

-- Awkward: "for ever" is 9999-12-31, "always" is 0001-01-01.
CREATE TABLE vat_rate (
  country_code CHAR(2) NOT NULL, valid_from DATE NOT NULL, valid_to DATE NOT NULL, percent DECIMAL(5,2) NOT NULL,
  PRIMARY KEY (country_code, valid_from)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO vat_rate SELECT code, '0001-01-01', '2020-06-30', 19 + CRC32(code) % 300 / 100 FROM country
  UNION ALL SELECT code, '2020-07-01', '9999-12-31', 18 + CRC32(code) % 500 / 100 FROM country;

CREATE TABLE drug (
  id SMALLINT UNSIGNED PRIMARY KEY, name VARCHAR(60) NOT NULL, mg_per_kg DECIMAL(30,10) NOT NULL, price DECIMAL(12,2),
  is_vaccine BIT(1) NOT NULL DEFAULT b'0', locked_away TINYINT(1) NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO drug SELECT 1 + n, CONCAT(ELT(1 + n % 7, 'Felo', 'Cani', 'Equi', 'Lago', 'Orni', 'Dermo', 'Gastro'),
    ELT(1 + n DIV 7 % 6, 'pax', 'mox', 'ten', 'lin', 'zid', 'vac'), ' ', 5 * (1 + n % 20), ' mg'),
  (1 + n * 37 % 991) * 0.0001428571, IF(n % 9 = 0, NULL, 2.5 + n * 13 % 180), n DIV 7 % 6 = 5, n % 11 = 0
FROM numbers WHERE n < 160;

-- Eight flags in a bit(8), a yes or no in a bit(1), and the year 0000.
CREATE TABLE room (
  id TINYINT UNSIGNED PRIMARY KEY, name VARCHAR(30) NOT NULL, equipment BIT(8) NOT NULL, has_window BIT(1), built YEAR
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO room SELECT 1 + n, CONCAT('Room ', CHAR(65 + n USING utf8mb4)), n * 37, NULLIF(n % 3, 2),
  IF(n = 4, 0, 1990 + 3 * n)
FROM digits WHERE n < 7;

-- Awkward: a text key, and '' beside NULL.
CREATE TABLE setting (
  name VARCHAR(60) PRIMARY KEY, value TEXT, `default` VARCHAR(60)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;
INSERT INTO setting VALUES ('clinic.name', 'Otter Creek 🦦', NULL), ('clinic.motto', '', ''),
  ('mail.signature', 'Yours,\n\tthe team', NULL), ('mail.server', NULL, 'localhost'), ('export.path', 'C:\\Clinic\\out', ''),
  ('version', '11.4.0', '1.0');

-- Awkward: reserved words as names of the table and its columns.
CREATE TABLE `group` (
  `key` INT PRIMARY KEY, `order` SMALLINT NOT NULL, `desc` VARCHAR(40), `user` VARCHAR(20)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `group` VALUES (1, 30, 'private', NULL), (2, 10, 'breeders', 'anna'), (3, 20, 'farms', 'jo'),
  (4, -1, 'shelter', '');

CREATE TABLE holiday (
  day DATE PRIMARY KEY, name VARCHAR(40) NOT NULL, half_day TINYINT(1) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO holiday SELECT DATE '2023-01-01' + INTERVAL n * 47 DAY,
  ELT(1 + n % 3, 'town fair', 'inventory', 'bank holiday'), n % 3 = 1
FROM numbers WHERE n < 20;


-- Important ---------------------------------------------------------------------------------------------------------

-- A photo as a blob. Awkward: "unknown" is 1900-01-01, and a salary is kept in binary floating point.
CREATE TABLE vet (
  id SMALLINT PRIMARY KEY, name VARCHAR(60) NOT NULL, born DATE NOT NULL, since YEAR NOT NULL, salary DOUBLE, photo BLOB
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO vet SELECT 1 + n, CONCAT('Dr ', ELT(1 + n % 6, 'Ana', 'Béla', 'Chiara', 'Dželal', 'Ewa', 'Finn'), ' ',
    ELT(1 + n % 5, 'Moor', 'Ågren', 'O''Neil', 'Šimić', 'Vogel')),
  IF(n % 4 = 3, '1900-01-01', DATE '1960-02-29' + INTERVAL n * 700 DAY), 1998 + n, 4100.10 + n * 33.33,
  IF(n % 3 = 2, NULL, CONCAT(X'89504E470D0A1A0A00FF', UNHEX(SHA2(n, 512))))
FROM numbers WHERE n < 18;

-- Awkward: nights end after 24:00:00, and overtime can be negative.
CREATE TABLE vet_shift (
  vet_id SMALLINT NOT NULL, day DATE NOT NULL, starts TIME NOT NULL, ends TIME NOT NULL, overtime TIME, year_total TIME(3),
  PRIMARY KEY (vet_id, day)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO vet_shift SELECT 1 + n % 18, DATE '2024-01-01' + INTERVAL n DIV 18 DAY, MAKETIME(7 + n % 3 * 7, 0, 0),
  MAKETIME(15 + n % 3 * 7, 30, 0), IF(n % 7 = 6, NULL, SEC_TO_TIME((n * 11 % 37 - 18) * 300)),
  SEC_TO_TIME(n DIV 18 * 29700.125)
FROM numbers WHERE n < 1800;

-- Awkward: a column name with a blank, a uuid in 16 bytes, zero dates, '' and NULL both for "no address".
CREATE TABLE `owner` (
  id INT UNSIGNED PRIMARY KEY, uuid BINARY(16) NOT NULL, first_name VARCHAR(40) NOT NULL, last_name VARCHAR(40) NOT NULL,
  email VARCHAR(100), country_code CHAR(2) NOT NULL, group_key INT, born DATE, is_active TINYINT(1) NOT NULL,
  `Preferred Contact` ENUM('', 'phone', 'sms', 'e-mail') NOT NULL DEFAULT '', balance DECIMAL(12,2) NOT NULL DEFAULT 0
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `owner` SELECT 1 + n, UNHEX(LEFT(SHA2(CONCAT('owner ', n), 256), 32)),
  ELT(1 + n * 7 % 12, 'Mia', 'Noah', 'Zoë', 'Émile', 'Jürgen', 'Łucja', 'Søren', 'Ioanna', 'Haruka', 'Omar', 'Inés', 'Kai'),
  ELT(1 + n DIV 12 % 9, 'Baker', 'Łoś', 'Huber', 'D''Amico', 'Novák', 'Sato', 'Van der Berg', 'Ωνάσης', 'Åkesson'),
  CASE n % 9 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE CONCAT('owner', n, '@example.org') END,
  ELT(1 + CRC32(n) % 6, 'AT', 'CH', 'CZ', 'DE', 'GR', 'JP'), NULLIF(n % 5, 0),
  CASE WHEN n % 40 = 7 THEN '0000-00-00' WHEN n % 40 = 8 THEN NULL WHEN n % 40 = 9 THEN '1900-01-01'
    ELSE DATE '1940-01-01' + INTERVAL n * 97 % 24000 DAY END,
  n % 8 > 0, ELT(1 + n % 4, '', 'phone', 'sms', 'e-mail'), IF(n % 3 = 0, (n * 31 % 50000 - 20000) / 100, 0)
FROM numbers WHERE n < 8000;


-- Critical ----------------------------------------------------------------------------------------------------------

-- Awkward: partial dates, zero dates for "still alive", chip numbers up to 2^64 - 1, and a flag that holds 0, 1, 2 and 255.
CREATE TABLE patient (
  id INT UNSIGNED PRIMARY KEY, owner_id INT UNSIGNED NOT NULL, name VARCHAR(40) NOT NULL,
  species_id TINYINT UNSIGNED NOT NULL, breed_code CHAR(3), chip BIGINT UNSIGNED,
  born DATE, died DATE NOT NULL DEFAULT '0000-00-00', weight_kg FLOAT,
  neutered TINYINT UNSIGNED NOT NULL COMMENT '0 no, 1 yes, 2 unknown, 255 not asked yet',
  manners SET('calm', 'shy', 'bites', 'escapes') NOT NULL DEFAULT '',
  CONSTRAINT patient_owner FOREIGN KEY (owner_id) REFERENCES `owner` (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO patient SELECT 1 + n, 1 + n * 7 % 8000,
  ELT(1 + n * 5 % 13, 'Rex', 'Luna', 'Mitzi', 'Bär', 'Pixel', 'Šárka', 'Nero', 'Ζάχαρη', 'ポチ', 'Flöckchen', 'Mochi 🍡',
    'Tank', 'No. 5'),
  s.id, IF(n % 10 = 3, NULL, CONCAT(LEFT(UPPER(s.name), 2), n % 10)),
  CASE WHEN n % 50 = 0 THEN 18446744073709551615 - n WHEN n % 6 = 0 THEN NULL ELSE 276000000000000 + n * 104729 END,
  CASE n % 25 WHEN 1 THEN CONCAT(2008 + n % 15, '-00-00') WHEN 2 THEN CONCAT(2008 + n % 15, '-0', 1 + n % 9, '-00')
    WHEN 3 THEN NULL ELSE DATE '2006-01-01' + INTERVAL n * 53 % 6500 DAY END,
  IF(n % 16 = 5, DATE '2023-01-01' + INTERVAL n % 700 DAY, '0000-00-00'), IF(n % 14 = 0, NULL, 0.3 + n * 17 % 400 / 8),
  CASE n % 20 WHEN 18 THEN 2 WHEN 19 THEN 255 ELSE n % 2 END, n % 16
FROM numbers JOIN species s ON s.id = IF(n % 97 = 0, 255, 1 + n * 3 % 11 DIV 2) WHERE n < 12000;

-- Awkward: "has not come yet" is 0000-00-00 00:00:00.
CREATE TABLE appointment (
  id INT PRIMARY KEY, patient_id INT UNSIGNED NOT NULL, vet_id SMALLINT, room_id TINYINT UNSIGNED,
  type_id TINYINT UNSIGNED NOT NULL, starts_at DATETIME NOT NULL, arrived_at DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00',
  lasted TIME, status TINYINT NOT NULL, note TEXT, changed_at TIMESTAMP(3) NULL, KEY (starts_at),
  CONSTRAINT appointment_patient FOREIGN KEY (patient_id) REFERENCES patient (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO appointment SELECT id, patient_id, vet_id, room_id, type_id, starts_at,
  IF(id % 30 = 0, '0000-00-00 00:00:00', starts_at + INTERVAL id % 23 - 11 MINUTE),
  IF(id % 30 = 0, NULL, SEC_TO_TIME(300 + id % 5000)), IF(id % 30 = 0, -1, id % 3),
  CASE id % 4 WHEN 0 THEN '' WHEN 1 THEN NULL ELSE CONCAT(
    ELT(1 + id % 5, 'Limps on the left', 'Coughs at night', 'All well 👍', 'Itches, "all day"', 'Eats little'),
    ELT(1 + id % 3, '.', '; call the owner.', '.\nTo be seen again.')) END,
  starts_at - INTERVAL id % 20 DAY + INTERVAL id % 1000 * 1000 MICROSECOND
FROM (
  SELECT 1 + n AS id, 1 + n * 7919 % 12000 AS patient_id, NULLIF(n % 19, 0) AS vet_id, 1 + n % 7 AS room_id,
    1 + n % 5 AS type_id, TIMESTAMP('2023-01-02 08:00:00') + INTERVAL n DIV 60 DAY + INTERVAL n % 60 * 10 MINUTE AS starts_at
  FROM numbers WHERE n < 45000
) a;

-- Awkward: mixed-case names, and "deleted" is -1.
CREATE TABLE invoice (
  InvoiceNo INT PRIMARY KEY, OwnerId INT UNSIGNED NOT NULL, appointmentId INT, IssuedOn DATE NOT NULL, dueOn DATE,
  Total DECIMAL(12,2), createdAt DATETIME(6) NOT NULL, State TINYINT(1) NOT NULL,
  CONSTRAINT invoice_owner FOREIGN KEY (OwnerId) REFERENCES `owner` (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO invoice SELECT 700000 + a.id, p.owner_id, a.id, DATE(a.starts_at),
  IF(a.id % 45 = 4, NULL, DATE(a.starts_at) + INTERVAL 30 DAY), NULL,
  a.starts_at + INTERVAL a.id * 999 MICROSECOND, IF(a.id % 100 = 1, -1, a.id % 2)
FROM appointment a JOIN patient p ON p.id = a.patient_id WHERE a.id % 3 > 0;

-- A composite key and a generated column; the largest table.
CREATE TABLE invoice_line (
  invoice_no INT NOT NULL, line TINYINT UNSIGNED NOT NULL, drug_id SMALLINT UNSIGNED, `text` VARCHAR(120) NOT NULL,
  quantity DECIMAL(8,3) NOT NULL, price DECIMAL(12,2) NOT NULL,
  amount DECIMAL(12,2) GENERATED ALWAYS AS (quantity * price) STORED,
  PRIMARY KEY (invoice_no, line), CONSTRAINT line_invoice FOREIGN KEY (invoice_no) REFERENCES invoice (InvoiceNo)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO invoice_line (invoice_no, line, drug_id, `text`, quantity, price)
SELECT i.InvoiceNo, 1 + d.n, IF(d.n = 0, NULL, 1 + (i.InvoiceNo + d.n) % 160),
  IF(d.n = 0, 'Consultation',
    CONCAT(ELT(1 + i.InvoiceNo % 4, 'Tablets', 'Ointment', 'Drops', 'Injection'), ' for ', i.InvoiceNo % 14 + 1, ' days')),
  IF(d.n = 0, 1, 1 + i.InvoiceNo * 7 % 24 / 8), IF(d.n = 0, 48, 3.95 + (i.InvoiceNo * 13 + d.n) % 90)
FROM invoice i JOIN digits d ON d.n <= i.InvoiceNo % 4;
UPDATE invoice i JOIN (SELECT invoice_no, SUM(amount) AS total FROM invoice_line GROUP BY invoice_no) t
  ON t.invoice_no = i.InvoiceNo
SET i.Total = t.total;

-- Awkward: money as decimal(12,2), as decimal(30,10) and as double in one table, and dates of no calendar.
CREATE TABLE payment (
  id BIGINT UNSIGNED PRIMARY KEY, invoice_no INT NOT NULL, paid_on DATE NOT NULL, amount DECIMAL(12,2) NOT NULL,
  rate DECIMAL(30,10) NOT NULL, amount_home DOUBLE, method ENUM('', 'cash', 'card', 'transfer') NOT NULL, cleared_on DATE,
  receipt BINARY(16), CONSTRAINT payment_invoice FOREIGN KEY (invoice_no) REFERENCES invoice (InvoiceNo)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO payment SELECT 4000000000 + InvoiceNo, InvoiceNo, IssuedOn + INTERVAL InvoiceNo % 40 DAY, Total,
  IF(InvoiceNo % 6 = 0, 24.6180339887 + InvoiceNo % 10 * 0.3333333333, 1), Total * 1.1,
  ELT(1 + InvoiceNo % 4, '', 'cash', 'card', 'transfer'),
  CASE WHEN InvoiceNo % 60 = 8 THEN '0000-00-00' WHEN InvoiceNo % 60 = 26 THEN CONCAT(YEAR(IssuedOn), '-00-00')
    WHEN InvoiceNo % 4 < 2 THEN NULL ELSE IssuedOn + INTERVAL 3 + InvoiceNo % 40 DAY END,
  IF(InvoiceNo % 5 = 0, NULL, UNHEX(LEFT(SHA2(InvoiceNo, 256), 32)))
FROM invoice WHERE InvoiceNo % 16 > 0;


-- Important, again: what hangs on the patients ----------------------------------------------------------------------

CREATE TABLE vaccination (
  id INT PRIMARY KEY, patient_id INT UNSIGNED NOT NULL, drug_id SMALLINT UNSIGNED NOT NULL, given_on DATE NOT NULL,
  valid_to DATE NOT NULL, batch VARCHAR(20), CONSTRAINT vaccination_patient FOREIGN KEY (patient_id) REFERENCES patient (id)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO vaccination SELECT 1 + n, 1 + n * 11 % 12000, 36 + n % 7, DATE '2021-03-01' + INTERVAL n % 1300 DAY,
  IF(n % 12 = 0, '9999-12-31', DATE '2022-03-01' + INTERVAL n % 1300 DAY),
  IF(n % 15 = 0, NULL, CONCAT('B', LPAD(n % 700, 6, '0')))
FROM numbers WHERE n < 10000;

-- Awkward: doses with ten decimals, and -1 for "as often as needed".
CREATE TABLE prescription (
  id INT PRIMARY KEY, patient_id INT UNSIGNED NOT NULL, drug_id SMALLINT UNSIGNED NOT NULL, vet_id SMALLINT NOT NULL,
  dose_mg DECIMAL(30,10) NOT NULL, repeats TINYINT NOT NULL, instructions TEXT, ordered_at DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO prescription SELECT 1 + n, p.id, d.id, 1 + n % 18, d.mg_per_kg * (1 + n % 400 * 0.1), IF(n % 8 = 0, -1, n % 8),
  ELT(1 + n % 5, 'Twice a day', '', NULL, 'With food 🥣', 'Only if\tneeded'),
  TIMESTAMP('2024-01-01 09:00:00') + INTERVAL n HOUR
FROM numbers JOIN patient p ON p.id = 1 + n * 17 % 12000 JOIN drug d ON d.id = 1 + n % 160 WHERE n < 8000;

-- Awkward: JSON, which MariaDB keeps as longtext, and NUL bytes from the analyser's serial line.
CREATE TABLE lab_result (
  id INT PRIMARY KEY, patient_id INT UNSIGNED NOT NULL, taken_at DATETIME(6) NOT NULL, result JSON,
  device_text TEXT, hematocrit DOUBLE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO lab_result SELECT 1 + n, 1 + n * 29 % 12000, TIMESTAMP('2024-02-28 23:59:59.5') + INTERVAL n * 7919 SECOND,
  IF(n % 10 = 9, NULL, JSON_OBJECT('test', ELT(1 + n % 3, 'blood', 'urine', 'swab'), 'ph', 5 + n % 30 * 0.1,
    'flags', JSON_ARRAY(n % 2, NULL, '⚠️'))),
  IF(n % 20 = 0, CONCAT('OK\0\0', n), CONCAT('OK ', n)), 20 + n % 400 * 0.142857e0
FROM numbers WHERE n < 5000;

CREATE TABLE insurance_policy (
  policy_no VARCHAR(20) PRIMARY KEY, patient_id INT UNSIGNED NOT NULL, cover DECIMAL(12,2) NOT NULL,
  starts DATE NOT NULL, ends DATE NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO insurance_policy SELECT CONCAT(ELT(1 + n % 3, 'PAW', 'Tier-', 'ü/'), LPAD(n, 6, '0')), 1 + n * 7 % 12000,
  500 * (1 + n % 20), DATE '2020-01-01' + INTERVAL n DAY, IF(n % 3 = 0, '9999-12-31', DATE '2021-01-01' + INTERVAL n DAY)
FROM numbers WHERE n < 1500;

-- Awkward: no primary key, but a unique one that lets NULLs in.
CREATE TABLE stock_item (
  sku VARCHAR(20), name VARCHAR(60) NOT NULL, on_hand INT NOT NULL, unit_cost DOUBLE, UNIQUE KEY (sku)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;
INSERT INTO stock_item SELECT IF(n % 24 = 0, NULL, CONCAT('SKU-', 1000 + n)),
  CONCAT(ELT(1 + n % 4, 'Bandage', 'Syringe', 'Collar', 'Gloves'), ' ', n % 12), n * 7 % 90 - 2, 0.1 * n
FROM numbers WHERE n < 240;

-- Awkward: reserved words once more, and a yes or no that may be NULL.
CREATE TABLE `order` (
  id INT PRIMARY KEY, `from` VARCHAR(40) NOT NULL, `when` DATETIME NOT NULL, `check` TINYINT(1)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO `order` SELECT 1 + n, ELT(1 + n % 3, 'Vet Supplies Ltd', 'Pharma & Söhne', 'Müller''s'),
  TIMESTAMP('2023-01-05 12:00:00') + INTERVAL n * 40 HOUR, NULLIF(n % 3, 2)
FROM numbers WHERE n < 400;

CREATE TABLE order_line (
  `order` INT NOT NULL, line INT NOT NULL, sku VARCHAR(20) NOT NULL, quantity INT UNSIGNED NOT NULL, price DECIMAL(12,2),
  PRIMARY KEY (`order`, line)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO order_line SELECT o.id, 1 + d.n, CONCAT('SKU-', 1001 + (o.id * 7 + d.n) % 239), 1 + o.id % 12, 1.25 * (1 + d.n)
FROM `order` o JOIN digits d ON d.n <= o.id % 7;


-- Audit -------------------------------------------------------------------------------------------------------------

-- Awkward: no key at all, and repeated rows.
CREATE TABLE access_log (
  at DATETIME NOT NULL, user VARCHAR(20), action VARCHAR(20) NOT NULL, patient_id INT UNSIGNED, ip VARBINARY(16)
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;
INSERT INTO access_log SELECT TIMESTAMP('2024-06-01 07:30:00') + INTERVAL m * 97 SECOND,
  ELT(1 + m % 4, 'anna', 'jo', '', NULL), ELT(1 + m % 3, 'open', 'edit', 'print'), 1 + m * 31 % 12000,
  INET6_ATON(CONCAT(IF(m % 2 = 0, '10.0.0.', '2001:db8::'), m % 40))
FROM (SELECT n DIV 3 AS m FROM numbers WHERE n < 20000) a;

-- Awkward: an unsigned bigint key that crosses 2^63, and '' beside NULL as old values.
CREATE TABLE change_history (
  change_no BIGINT UNSIGNED PRIMARY KEY, table_name VARCHAR(40) NOT NULL, row_id INT NOT NULL,
  old_value VARCHAR(255), new_value VARCHAR(255), at TIMESTAMP(6) NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO change_history SELECT 9223372036854770000 + CAST(n AS UNSIGNED), ELT(1 + n % 3, 'patient', 'owner', 'invoice'),
  1 + n * 3 % 8000, ELT(1 + n % 3, NULL, '', CONCAT('old ', n)), CONCAT('new ', n, ELT(1 + n % 2, '', ' ✏️')),
  TIMESTAMP('2024-01-01 00:00:00') + INTERVAL n * 61000001 MICROSECOND
FROM numbers WHERE n < 12000;

-- Awkward: a binary key, and a zero timestamp for "still logged in".
CREATE TABLE session (
  id BINARY(16) PRIMARY KEY, user VARCHAR(20) NOT NULL, began TIMESTAMP NOT NULL DEFAULT '2000-01-01 00:00:00',
  ended TIMESTAMP NULL, agent TINYTEXT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
INSERT INTO session SELECT UNHEX(LEFT(SHA2(CONCAT('session ', n), 256), 32)), ELT(1 + n % 3, 'anna', 'jo', 'kim'),
  TIMESTAMP('2024-06-01 08:00:00') + INTERVAL n HOUR,
  CASE n % 50 WHEN 0 THEN '0000-00-00 00:00:00' WHEN 1 THEN NULL ELSE TIMESTAMP('2024-06-01 08:45:00') + INTERVAL n HOUR END,
  ELT(1 + n % 3, 'Firefox', 'tablet', '')
FROM numbers WHERE n < 4000;

-- Emoji, quotes and line ends in the texts that were sent out.
CREATE TABLE sms_log (
  id INT PRIMARY KEY, owner_id INT UNSIGNED NOT NULL, body TEXT NOT NULL, sent_at DATETIME, cost DECIMAL(6,4) NOT NULL
) ENGINE=MyISAM DEFAULT CHARSET=utf8mb4;
INSERT INTO sms_log SELECT 1 + n, 1 + n * 3 % 8000, CONCAT(ELT(1 + n % 4, '🐾 Your visit is tomorrow',
    'Time for the next "jab" 💉', 'All the best, Rex 🎂\r\n', 'Bill\toverdue \\ please pay'), ' #', n),
  IF(n % 30 = 0, NULL, TIMESTAMP('2024-03-31 02:30:00') + INTERVAL n * 17 MINUTE), 0.0395
FROM numbers WHERE n < 3000;

-- Empty, and must be there afterwards all the same.
CREATE TABLE failed_job (
  id BIGINT PRIMARY KEY AUTO_INCREMENT, payload LONGTEXT NOT NULL, failed_at DATETIME NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;

-- Awkward: what the program before left behind. latin1, no key, padding of NUL bytes, every kind of bad date.
CREATE TABLE import_2009 (
  `Card No` VARCHAR(12), Note TEXT, seen DATE NOT NULL, Paid DOUBLE, Flag TINYINT
) ENGINE=MyISAM DEFAULT CHARSET=latin1;
INSERT INTO import_2009 SELECT LPAD(n, 8, '0'),
  CONCAT(ELT(1 + n % 4, 'Würmer', 'façade £5', 'ok', ''), IF(n % 5 = 0, '\0\0\0', '')),
  ELT(1 + n % 6, '2009-00-00', '0000-00-00', '2009-07-00', '2009-02-28', '1900-01-01', '0001-01-01'), n * 0.1,
  ELT(1 + n % 4, -1, 0, 1, NULL)
FROM numbers WHERE n < 600;

DROP TABLE numbers;
DROP TABLE digits;

# One's own databases on a new machine, for `nox -s bare -- debian-12 own`: Debian's MariaDB with a practice of a million rows
# and all that is awkward in one (zero dates, NUL bytes, a table without a key, a latin1 table), and Debian's Postgres.
# Everything is made and started here, before the first command of the README; who reads and who writes are users of their own.
set -e
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq >/dev/null
apt-get install -y -qq mariadb-server postgresql >/dev/null 2>&1
service mariadb start >/dev/null
service postgresql start >/dev/null
mariadb <<'SQL'
CREATE DATABASE clinic CHARACTER SET utf8mb4;
USE clinic;
SET sql_mode = '';
CREATE TABLE patient (PatNum int AUTO_INCREMENT PRIMARY KEY, LName varchar(60) NOT NULL, Birthdate date NOT NULL,
    Balance decimal(10,2), Note text, DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
    KEY (DateTStamp));
INSERT INTO patient SELECT seq, CONCAT('Name ', seq), IF(seq % 97, '1950-01-01' + INTERVAL seq % 20000 DAY, '0000-00-00'),
    seq / 7, IF(seq % 1000, NULL, CONCAT('a', CHAR(0), 'b')), '2026-01-01' + INTERVAL seq SECOND FROM seq_1_to_200000;
CREATE TABLE appointment (AptNum bigint AUTO_INCREMENT PRIMARY KEY, PatNum int NOT NULL, AptDateTime datetime(3) NOT NULL,
    Status enum('planned', 'kept', 'broken') NOT NULL, Length time NOT NULL, KEY (PatNum));
INSERT INTO appointment SELECT seq, 1 + seq % 200000, '2020-01-01' + INTERVAL seq * 3 MINUTE,
    1 + seq % 3, SEC_TO_TIME(seq % 7200) FROM seq_1_to_600000;
CREATE TABLE claim (ClaimNum int PRIMARY KEY, PatNum int NOT NULL, Fee double, Sent date) ENGINE=MyISAM;
INSERT INTO claim SELECT seq * 11, 1 + seq % 200000, seq / 3, '2024-01-01' + INTERVAL seq % 900 DAY FROM seq_1_to_200000;
CREATE TABLE securitylog (LogNum int PRIMARY KEY, What varchar(80), LogDateTime datetime NOT NULL);
INSERT INTO securitylog SELECT seq, CONCAT('seen ', seq), '2026-01-01' + INTERVAL seq MINUTE FROM seq_1_to_50000;
CREATE TABLE zipcode (Zip varchar(9), City varchar(40)) CHARACTER SET latin1;
INSERT INTO zipcode SELECT LPAD(seq, 5, '0'), CONCAT('Städtchen ', seq) FROM seq_1_to_3000;
CREATE VIEW today AS SELECT * FROM appointment WHERE AptDateTime >= CURRENT_DATE;
CREATE USER reader@localhost IDENTIFIED BY 'p@ss';
CREATE USER reader@'127.0.0.1' IDENTIFIED BY 'p@ss';
GRANT SELECT ON clinic.* TO reader@localhost, reader@'127.0.0.1';
SQL
cd / && runuser -u postgres -- psql -q -v ON_ERROR_STOP=1 <<'SQL'
CREATE USER writer PASSWORD 'secret';
CREATE DATABASE dw OWNER writer;
SQL
cd - >/dev/null
export BULKETL_SOURCE='mysql://reader:p%40ss@127.0.0.1/clinic'
export BULKETL_TARGET='postgresql://writer:secret@127.0.0.1/dw'

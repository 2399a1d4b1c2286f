-- A web mail client: singular ids, a cache that is large, stamps in some places only.

-- critical|important -: users; rows 700
CREATE TABLE users (user_id int AUTO_INCREMENT PRIMARY KEY, username varchar(120), mail_host varchar(120), created datetime NOT NULL, language varchar(10), preferences text);
-- important changed: identities; rows 1200 edited; refs user_id>users; edit changed
CREATE TABLE identities (identity_id int AUTO_INCREMENT PRIMARY KEY, user_id int, name varchar(120), email varchar(120), signature text, changed datetime NOT NULL);
-- important changed: contacts; rows 9000 edited; refs user_id>users; edit changed
CREATE TABLE contacts (contact_id int AUTO_INCREMENT PRIMARY KEY, user_id int, name varchar(120), email varchar(255), vcard text, changed datetime NOT NULL);
-- important changed: contactgroups; rows 500 edited; refs user_id>users; edit changed
CREATE TABLE contactgroups (contactgroup_id int AUTO_INCREMENT PRIMARY KEY, user_id int, name varchar(120), changed datetime NOT NULL);
-- important -: contactgroupmembers; rows 3000; refs contactgroup_id>contactgroups contact_id>contacts
CREATE TABLE contactgroupmembers (contactgroup_id int, contact_id int, created datetime NOT NULL, PRIMARY KEY (contactgroup_id, contact_id));
-- reference -|changed: session; rows 300
CREATE TABLE session (sess_id varchar(60) PRIMARY KEY, changed datetime NOT NULL, ip varchar(40), vars text);
-- reference -: cache; rows 2000 wide; refs user_id>users
CREATE TABLE cache (user_id int, cache_key varchar(120), expires datetime, data text, PRIMARY KEY (user_id, cache_key));
-- reference -: cache_messages; rows 9000 wide; refs user_id>users
CREATE TABLE cache_messages (user_id int, uid int, expires datetime, data text, PRIMARY KEY (user_id, uid));
-- reference -|changed: dictionary; rows 30; refs user_id>users
CREATE TABLE dictionary (user_id int, language varchar(16), data text);
-- important|reference -: searches; rows 200; refs user_id>users
CREATE TABLE searches (search_id int AUTO_INCREMENT PRIMARY KEY, user_id int, type int, name varchar(120), data text);
-- important -|created: filestore; rows 800 wide; refs user_id>users
CREATE TABLE filestore (file_id int AUTO_INCREMENT PRIMARY KEY, user_id int, context varchar(32), filename varchar(120), data text, created datetime NOT NULL);
-- important|critical changed: calendar_events; rows 6000 edited; refs user_id>users; edit changed
CREATE TABLE calendar_events (event_id int AUTO_INCREMENT PRIMARY KEY, user_id int, title varchar(120), start_at datetime, end_at datetime, created datetime NOT NULL, changed datetime NOT NULL);
-- reference -: system; rows 20
CREATE TABLE `system` (name varchar(60) PRIMARY KEY, value text);

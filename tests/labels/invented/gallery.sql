-- A photo gallery: prefix, `date_available`, an access history, a category tree, caches per user.

-- critical lastmodified: pg_images; rows 12000 edited wide; refs storage_category_id>pg_albums added_by>pg_users; edit lastmodified
CREATE TABLE pg_images (id int AUTO_INCREMENT PRIMARY KEY, file varchar(120), date_available datetime NOT NULL, date_creation datetime, name varchar(120), comment text, storage_category_id int, added_by int, lastmodified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important|critical lastmodified: pg_albums; rows 300 edited; refs id_uppercat>pg_albums; edit lastmodified
CREATE TABLE pg_albums (id int AUTO_INCREMENT PRIMARY KEY, name varchar(120), id_uppercat int, comment text, visible tinyint, representative_picture_id int, global_rank varchar(40), lastmodified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical|important lastmodified: pg_users; rows 400 edited; edit lastmodified
CREATE TABLE pg_users (id int AUTO_INCREMENT PRIMARY KEY, username varchar(80), password varchar(120), mail_address varchar(120), registered datetime, lastmodified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important -: pg_image_album; rows 15000; refs image_id>pg_images album_id>pg_albums
CREATE TABLE pg_image_album (image_id int, album_id int, position int, PRIMARY KEY (image_id, album_id));
-- reference lastmodified: pg_tags; rows 500 edited; edit lastmodified
CREATE TABLE pg_tags (id int AUTO_INCREMENT PRIMARY KEY, name varchar(80), url_name varchar(80), lastmodified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important -: pg_image_tag; rows 9000; refs image_id>pg_images tag_id>pg_tags
CREATE TABLE pg_image_tag (image_id int, tag_id int, PRIMARY KEY (image_id, tag_id));
-- important -|id: pg_comments; rows 3000; refs image_id>pg_images author_id>pg_users
CREATE TABLE pg_comments (id int AUTO_INCREMENT PRIMARY KEY, image_id int, date datetime NOT NULL, author varchar(80), author_id int, content text, validated tinyint, validation_date datetime);
-- important -: pg_rate; rows 2000; refs user_id>pg_users element_id>pg_images
CREATE TABLE pg_rate (user_id int, element_id int, rate int, date date, PRIMARY KEY (user_id, element_id));
-- important -: pg_favorites; rows 1000; refs user_id>pg_users image_id>pg_images
CREATE TABLE pg_favorites (user_id int, image_id int, PRIMARY KEY (user_id, image_id));
-- audit id: pg_history; rows 30000; refs image_id>pg_images user_id>pg_users
CREATE TABLE pg_history (id bigint AUTO_INCREMENT PRIMARY KEY, seen_at datetime NOT NULL, user_id int, ip varchar(40), section varchar(20), image_id int);
-- reference|important -: pg_history_summary; rows 900
CREATE TABLE pg_history_summary (year int, month int, day int, hour int, nb_pages int, PRIMARY KEY (year, month, day, hour));
-- reference -: pg_config; rows 90
CREATE TABLE pg_config (param varchar(60) PRIMARY KEY, value text, comment varchar(200));
-- reference -: pg_plugins; rows 9
CREATE TABLE pg_plugins (id varchar(60) PRIMARY KEY, state varchar(10), version varchar(20));
-- reference -: pg_user_cache; rows 400; refs user_id>pg_users
CREATE TABLE pg_user_cache (user_id int PRIMARY KEY, need_update tinyint, cache_update_time int, forbidden_categories text);
-- reference -|lastmodified: pg_sessions; rows 200
CREATE TABLE pg_sessions (id varchar(60) PRIMARY KEY, data text, expiration datetime NOT NULL);
-- reference -: pg_upgrade; rows 60
CREATE TABLE pg_upgrade (id varchar(20) PRIMARY KEY, applied datetime, description varchar(120));

-- A hospital's wiki: abbreviated column prefixes (`rev_page` is ww_page.page_id), logs that are edited, names that mislead.

-- critical page_touched: ww_page; rows 3000 edited; edit page_touched
CREATE TABLE ww_page (page_id int AUTO_INCREMENT PRIMARY KEY, page_title varchar(200), page_is_redirect tinyint, page_latest int, page_len int, page_touched timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical|important user_touched: ww_user; rows 500 edited; edit user_touched
CREATE TABLE ww_user (user_id int AUTO_INCREMENT PRIMARY KEY, user_name varchar(80), user_email varchar(120), user_registration datetime, user_touched timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical -|rev_id: ww_revision; rows 24000 wide; refs rev_page>ww_page rev_user>ww_user
CREATE TABLE ww_revision (rev_id int AUTO_INCREMENT PRIMARY KEY, rev_page int, rev_user int, rev_comment varchar(200), rev_text text, rev_saved datetime NOT NULL);
-- important -: ww_watchlist; rows 4000; refs wl_user>ww_user wl_page>ww_page
CREATE TABLE ww_watchlist (wl_user int, wl_page int, PRIMARY KEY (wl_user, wl_page));
-- important|reference -: ww_pagelinks; rows 12000; refs pl_from>ww_page
CREATE TABLE ww_pagelinks (pl_from int, pl_title varchar(120), PRIMARY KEY (pl_from, pl_title));
-- audit log_id: ww_logging; rows 9000; refs log_user>ww_user log_page>ww_page
CREATE TABLE ww_logging (log_id int AUTO_INCREMENT PRIMARY KEY, log_type varchar(20), log_user int, log_page int, log_params text, log_at datetime NOT NULL);
-- important revised: ww_shift_log; rows 4000 edited; refs user_id>ww_user ward_id>ww_ward; edit revised
CREATE TABLE ww_shift_log (id int AUTO_INCREMENT PRIMARY KEY, user_id int, ward_id int, entry text, written datetime NOT NULL, revised timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- reference|important -: ww_ward; rows 20
CREATE TABLE ww_ward (id int AUTO_INCREMENT PRIMARY KEY, name varchar(60), floor int);
-- important|reference edited: ww_drug_catalog; rows 900 edited; edit edited
CREATE TABLE ww_drug_catalog (id int AUTO_INCREMENT PRIMARY KEY, name varchar(120), dose varchar(60), maker varchar(80), prescription tinyint, price decimal(10,2), stock int, edited timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important changed_at: ww_blog; rows 300 edited; refs author_id>ww_user; edit changed_at
CREATE TABLE ww_blog (id int AUTO_INCREMENT PRIMARY KEY, author_id int, title varchar(120), body text, posted datetime NOT NULL, changed_at datetime NOT NULL);
-- reference -: ww_objectcache; rows 900
CREATE TABLE ww_objectcache (keyname varchar(120) PRIMARY KEY, value text, exptime datetime);
-- reference -: ww_job; rows 60 gone
CREATE TABLE ww_job (job_id int AUTO_INCREMENT PRIMARY KEY, job_cmd varchar(40), job_params text, job_at datetime);
-- reference -: ww_interwiki; rows 40
CREATE TABLE ww_interwiki (iw_prefix varchar(40) PRIMARY KEY, iw_url varchar(200), iw_local tinyint);
-- reference -: ww_site_stats; rows 1
CREATE TABLE ww_site_stats (ss_row_id int PRIMARY KEY, ss_edits int, ss_pages int);
-- important|reference -: ww_user_groups; rows 800; refs ug_user>ww_user
CREATE TABLE ww_user_groups (ug_user int, ug_group varchar(40), PRIMARY KEY (ug_user, ug_group));

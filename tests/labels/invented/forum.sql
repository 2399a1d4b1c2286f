-- held out
-- A forum: prefix, whole numbers as times, `topic_id` named after a singular, a moderation log, word lists.

-- critical -: bb_users; rows 3000; refs group_id>bb_groups; unix user_regdate user_lastvisit
CREATE TABLE bb_users (user_id int AUTO_INCREMENT PRIMARY KEY, group_id int, username varchar(80), user_email varchar(120), user_regdate int, user_lastvisit int, user_posts int);
-- critical|important -: bb_forums; rows 40; refs parent_id>bb_forums
CREATE TABLE bb_forums (forum_id int AUTO_INCREMENT PRIMARY KEY, parent_id int, forum_name varchar(80), forum_desc text, forum_posts int, forum_topics int, forum_last_post_id int, forum_flags int);
-- critical -: bb_topics; rows 8000; refs forum_id>bb_forums topic_poster>bb_users; unix topic_time topic_last_post_time
CREATE TABLE bb_topics (topic_id int AUTO_INCREMENT PRIMARY KEY, forum_id int, topic_title varchar(120), topic_poster int, topic_time int, topic_views int, topic_last_post_time int);
-- critical -: bb_posts; rows 40000 wide; refs topic_id>bb_topics forum_id>bb_forums poster_id>bb_users; unix post_time post_edit_time
CREATE TABLE bb_posts (post_id int AUTO_INCREMENT PRIMARY KEY, topic_id int, forum_id int, poster_id int, post_time int, post_text text, post_edit_time int, post_edit_count int);
-- important -: bb_attachments; rows 1500; refs post_msg_id>bb_posts topic_id>bb_topics poster_id>bb_users; unix filetime
CREATE TABLE bb_attachments (attach_id int AUTO_INCREMENT PRIMARY KEY, post_msg_id int, topic_id int, poster_id int, physical_filename varchar(120), real_filename varchar(120), filetime int);
-- important -: bb_user_group; rows 3500; refs group_id>bb_groups user_id>bb_users
CREATE TABLE bb_user_group (group_id int, user_id int, group_leader tinyint, PRIMARY KEY (group_id, user_id));
-- reference|important -: bb_groups; rows 12
CREATE TABLE bb_groups (group_id int AUTO_INCREMENT PRIMARY KEY, group_name varchar(80), group_desc text, group_colour varchar(8));
-- important -: bb_topics_watch; rows 2000; refs topic_id>bb_topics user_id>bb_users
CREATE TABLE bb_topics_watch (topic_id int, user_id int, notify_status tinyint, PRIMARY KEY (topic_id, user_id));
-- important -|msg_id: bb_privmsgs; rows 4000; refs author_id>bb_users; unix message_time
CREATE TABLE bb_privmsgs (msg_id int AUTO_INCREMENT PRIMARY KEY, author_id int, message_time int, message_subject varchar(120), message_text text);
-- important|audit log_id|-: bb_log; rows 3000; refs user_id>bb_users forum_id>bb_forums topic_id>bb_topics; unix log_time
CREATE TABLE bb_log (log_id int AUTO_INCREMENT PRIMARY KEY, log_type int, user_id int, forum_id int, topic_id int, log_ip varchar(40), log_time int, log_operation varchar(60), log_data text);
-- reference -: bb_config; rows 300
CREATE TABLE bb_config (config_name varchar(80) PRIMARY KEY, config_value varchar(200));
-- reference -: bb_sessions; rows 200; refs session_user_id>bb_users
CREATE TABLE bb_sessions (session_id char(32) PRIMARY KEY, session_user_id int, session_last_visit int, session_page varchar(200));
-- reference -: bb_smilies; rows 60
CREATE TABLE bb_smilies (smiley_id int AUTO_INCREMENT PRIMARY KEY, code varchar(20), emotion varchar(40), smiley_url varchar(60));
-- reference|important -: bb_search_wordlist; rows 9000
CREATE TABLE bb_search_wordlist (word_id int AUTO_INCREMENT PRIMARY KEY, word_text varchar(80), word_common tinyint, word_count int);
-- reference|important|critical -: bb_search_wordmatch; rows 60000; refs post_id>bb_posts word_id>bb_search_wordlist
CREATE TABLE bb_search_wordmatch (post_id int, word_id int, title_match tinyint, PRIMARY KEY (word_id, post_id));
-- reference|important -: bb_ranks; rows 12
CREATE TABLE bb_ranks (rank_id int AUTO_INCREMENT PRIMARY KEY, rank_title varchar(60), rank_min int);

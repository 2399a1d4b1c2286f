-- A helpdesk with prefixed plurals: `tickets_id` is sd_tickets.id, and no foreign key says so.

-- important -: sd_teams; rows 12
CREATE TABLE sd_teams (id int AUTO_INCREMENT PRIMARY KEY, name varchar(80), mail varchar(120), leaders_count int, escalation_minutes int, shift_begin time, shift_end time, is_external tinyint);
-- critical modified: sd_users; rows 900 edited; refs teams_id>sd_teams
CREATE TABLE sd_users (id int AUTO_INCREMENT PRIMARY KEY, teams_id int, login varchar(80), fullname varchar(120), phone varchar(40), created datetime NOT NULL, modified datetime NOT NULL);
-- reference -: sd_priorities; rows 5
CREATE TABLE sd_priorities (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40), color varchar(10));
-- reference modified: sd_ticket_statuses; rows 8
CREATE TABLE sd_ticket_statuses (id int AUTO_INCREMENT PRIMARY KEY, name varchar(40), sort int, modified datetime);
-- reference modified: sd_categories; rows 60; refs categories_id>sd_categories
CREATE TABLE sd_categories (id int AUTO_INCREMENT PRIMARY KEY, categories_id int, name varchar(40), comment text, modified datetime);
-- critical modified: sd_tickets; rows 9000 edited wide; refs users_id>sd_users users_id_agent>sd_users priorities_id>sd_priorities ticket_statuses_id>sd_ticket_statuses categories_id>sd_categories teams_id>sd_teams
CREATE TABLE sd_tickets (id int AUTO_INCREMENT PRIMARY KEY, users_id int, users_id_agent int, priorities_id int, ticket_statuses_id int, categories_id int, teams_id int, title varchar(200), body text, created datetime NOT NULL, modified datetime NOT NULL, due datetime);
-- important|critical modified: sd_followups; rows 15000 edited; refs tickets_id>sd_tickets users_id>sd_users
CREATE TABLE sd_followups (id int AUTO_INCREMENT PRIMARY KEY, tickets_id int, users_id int, body text, created datetime NOT NULL, modified datetime NOT NULL);
-- important -: sd_tickets_users; rows 9000; refs tickets_id>sd_tickets users_id>sd_users
CREATE TABLE sd_tickets_users (id int AUTO_INCREMENT PRIMARY KEY, tickets_id int, users_id int, type int);
-- important -: sd_costs; rows 2000; refs tickets_id>sd_tickets
CREATE TABLE sd_costs (id int AUTO_INCREMENT PRIMARY KEY, tickets_id int, name varchar(80), amount decimal(10,2), begin_date date, end_date date);
-- audit id: sd_ticket_log; rows 20000; refs tickets_id>sd_tickets users_id>sd_users
CREATE TABLE sd_ticket_log (id bigint AUTO_INCREMENT PRIMARY KEY, tickets_id int, users_id int, field varchar(60), old_value varchar(200), new_value varchar(200), at datetime NOT NULL);
-- reference -: sd_queue; rows 300 gone
CREATE TABLE sd_queue (id bigint AUTO_INCREMENT PRIMARY KEY, recipient varchar(120), body text, queued datetime NOT NULL, sent datetime);
-- reference|important modified: sd_queue_columns; rows 40; refs users_id>sd_users
CREATE TABLE sd_queue_columns (id int AUTO_INCREMENT PRIMARY KEY, users_id int, name varchar(40), width int, modified datetime);
-- reference -|last_seen: sd_sessions; rows 200
CREATE TABLE sd_sessions (id char(32) PRIMARY KEY, users_id int, payload text, last_seen datetime);
-- reference -|modified: sd_configs; rows 150
CREATE TABLE sd_configs (id int AUTO_INCREMENT PRIMARY KEY, context varchar(40), name varchar(80), value text);
-- important|reference modified: sd_service_catalog; rows 400 edited; refs categories_id>sd_categories teams_id>sd_teams
CREATE TABLE sd_service_catalog (id int AUTO_INCREMENT PRIMARY KEY, categories_id int, teams_id int, name varchar(80), price decimal(8,2), created datetime, modified timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);

-- held out
-- A lending library: keys like `borrowernumber`, archived and deleted rows in tables beside, statistics, action logs.

-- critical updated_on: borrowers; rows 6000 edited; refs categorycode>borrower_categories branchcode>branches; edit updated_on
CREATE TABLE borrowers (borrowernumber int AUTO_INCREMENT PRIMARY KEY, surname varchar(80), firstname varchar(80), categorycode varchar(10), branchcode varchar(10), dateofbirth date, dateenrolled date, updated_on timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical timestamp: biblio; rows 9000 edited wide; edit timestamp
CREATE TABLE biblio (biblionumber int AUTO_INCREMENT PRIMARY KEY, author text, title text, copyrightdate int, datecreated date, timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical timestamp: items; rows 22000 edited; refs biblionumber>biblio homebranch>branches itype>itemtypes; edit timestamp
CREATE TABLE items (itemnumber int AUTO_INCREMENT PRIMARY KEY, biblionumber int, barcode varchar(40), homebranch varchar(10), itype varchar(10), price decimal(8,2), dateaccessioned date, onloan date, timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important|critical timestamp: issues; rows 3000 edited; refs borrowernumber>borrowers itemnumber>items branchcode>branches; edit timestamp
CREATE TABLE issues (issue_id int AUTO_INCREMENT PRIMARY KEY, borrowernumber int, itemnumber int, branchcode varchar(10), date_due datetime, renewals int, issuedate datetime, timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important|critical timestamp: old_issues; rows 40000 edited; refs borrowernumber>borrowers itemnumber>items; edit timestamp
CREATE TABLE old_issues (issue_id int PRIMARY KEY, borrowernumber int, itemnumber int, date_due datetime, returndate datetime, timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important timestamp: reserves; rows 800 edited; refs borrowernumber>borrowers biblionumber>biblio itemnumber>items; edit timestamp
CREATE TABLE reserves (reserve_id int AUTO_INCREMENT PRIMARY KEY, borrowernumber int, biblionumber int, itemnumber int, reservedate date, priority int, timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important timestamp: accountlines; rows 7000 edited; refs borrowernumber>borrowers itemnumber>items; edit timestamp
CREATE TABLE accountlines (accountlines_id int AUTO_INCREMENT PRIMARY KEY, borrowernumber int, itemnumber int, date datetime, amount decimal(10,2), description text, timestamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- reference|important -: branches; rows 9
CREATE TABLE branches (branchcode varchar(10) PRIMARY KEY, branchname varchar(80), branchcity varchar(40));
-- reference -: borrower_categories; rows 9
CREATE TABLE borrower_categories (categorycode varchar(10) PRIMARY KEY, description varchar(80), enrolmentperiod int);
-- reference -: itemtypes; rows 15
CREATE TABLE itemtypes (itemtype varchar(10) PRIMARY KEY, description varchar(80), rentalcharge decimal(6,2));
-- audit action_id: action_logs; rows 30000; refs user>borrowers
CREATE TABLE action_logs (action_id int AUTO_INCREMENT PRIMARY KEY, at datetime NOT NULL, user int, module varchar(20), action varchar(20), object int, info text);
-- reference -: sessions; rows 120
CREATE TABLE sessions (id varchar(32) PRIMARY KEY, a_session text);
-- reference -: systempreferences; rows 300
CREATE TABLE systempreferences (variable varchar(60) PRIMARY KEY, value text, explanation text);
-- reference -: authorised_values; rows 200
CREATE TABLE authorised_values (id int AUTO_INCREMENT PRIMARY KEY, category varchar(20), authorised_value varchar(40), lib varchar(120));
-- reference|important time_queued|-: message_queue; rows 400 gone; refs borrowernumber>borrowers
CREATE TABLE message_queue (message_id int AUTO_INCREMENT PRIMARY KEY, borrowernumber int, subject text, content text, status varchar(10), time_queued datetime);

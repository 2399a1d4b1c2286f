-- held out
-- A recorder of cameras: capitals in names, events that are closed later, frames that come and go, logs of the program.

-- critical|important UpdatedOn: Monitors; rows 40 edited; refs ServerId>Servers StorageId>Storage; edit UpdatedOn
CREATE TABLE Monitors (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(60), ServerId int, StorageId int, Device varchar(60), Host varchar(60), Width int, Height int, Function varchar(20), Enabled tinyint, UpdatedOn timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical -: Events; rows 20000; refs MonitorId>Monitors StorageId>Storage
CREATE TABLE Events (Id bigint AUTO_INCREMENT PRIMARY KEY, MonitorId int, StorageId int, Name varchar(60), Cause varchar(40), StartTime datetime, EndTime datetime, Frames int, Notes text, Archived tinyint);
-- critical|important -|Id: Frames; rows 90000; refs EventId>Events
CREATE TABLE Frames (Id bigint AUTO_INCREMENT PRIMARY KEY, EventId bigint, FrameId int, Type varchar(10), TimeStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, Score int);
-- important|reference -: Zones; rows 60; refs MonitorId>Monitors
CREATE TABLE Zones (Id int AUTO_INCREMENT PRIMARY KEY, MonitorId int, Name varchar(60), Type varchar(20), Coords text);
-- reference|important -: Servers; rows 2
CREATE TABLE Servers (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(60), Hostname varchar(60), Status varchar(20));
-- reference|important -: Storage; rows 3
CREATE TABLE Storage (Id int AUTO_INCREMENT PRIMARY KEY, Path varchar(60), Name varchar(60), Type varchar(20));
-- reference|important -: Users; rows 12
CREATE TABLE Users (Id int AUTO_INCREMENT PRIMARY KEY, Username varchar(60), Password varchar(120), Enabled tinyint, Stream varchar(10));
-- audit Id: Logs; rows 9000; refs ServerId>Servers
CREATE TABLE Logs (Id int AUTO_INCREMENT PRIMARY KEY, TimeKey datetime NOT NULL, Component varchar(40), ServerId int, Level int, Message text);
-- reference -: Config; rows 200
CREATE TABLE Config (Id int PRIMARY KEY, Name varchar(60), Value text, Type varchar(20), Category varchar(30));
-- reference -: Sessions; rows 90
CREATE TABLE Sessions (id char(32) PRIMARY KEY, access int, data text);
-- important|reference -: Groups_Monitors; rows 60; refs GroupId>Groups MonitorId>Monitors
CREATE TABLE Groups_Monitors (Id int AUTO_INCREMENT PRIMARY KEY, GroupId int, MonitorId int);
-- reference|important -: Groups; rows 10; refs ParentId>Groups
CREATE TABLE `Groups` (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(60), ParentId int);
-- reference -: States; rows 30
CREATE TABLE States (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(60), Definition text, IsActive tinyint);
-- reference -: Stats_Cache; rows 60
CREATE TABLE Stats_Cache (Id int PRIMARY KEY, MonitorId int, Total bigint, Expires datetime);

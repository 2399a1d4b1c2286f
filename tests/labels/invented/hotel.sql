-- held out
-- A chain of hotels: camel case, `RoomTypeId`, a rate calendar, an edited history, a night audit that is a record.

-- critical ModifiedAt: Guest; rows 8000 edited future; edit ModifiedAt
CREATE TABLE Guest (Id int AUTO_INCREMENT PRIMARY KEY, FullName varchar(120), Email varchar(120), CreatedAt datetime NOT NULL, ModifiedAt datetime NOT NULL);
-- reference|important -: Hotel; rows 7
CREATE TABLE Hotel (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(80), City varchar(60), Stars int);
-- reference -: RoomType; rows 12
CREATE TABLE RoomType (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(60), Beds int);
-- important -: Room; rows 900; refs HotelId>Hotel RoomTypeId>RoomType
CREATE TABLE Room (Id int AUTO_INCREMENT PRIMARY KEY, HotelId int, RoomTypeId int, Number varchar(10), Floor int);
-- critical ModifiedAt: Booking; rows 25000 edited wide; refs GuestId>Guest HotelId>Hotel RoomId>Room ChannelId>Channel; edit ModifiedAt
CREATE TABLE Booking (Id int AUTO_INCREMENT PRIMARY KEY, GuestId int, HotelId int, RoomId int, ChannelId int, Arrival date, Departure date, Notes text, CreatedAt datetime NOT NULL, ModifiedAt datetime NOT NULL);
-- important|critical ModifiedAt: BookingCharge; rows 50000 edited; refs BookingId>Booking; edit ModifiedAt
CREATE TABLE BookingCharge (Id int AUTO_INCREMENT PRIMARY KEY, BookingId int, Text varchar(80), Amount decimal(10,2), CreatedAt datetime NOT NULL, ModifiedAt datetime NOT NULL);
-- reference -: Channel; rows 9
CREATE TABLE Channel (Id int AUTO_INCREMENT PRIMARY KEY, Name varchar(60), Commission decimal(5,2));
-- important -: RatePlanDay; rows 9000; refs RoomTypeId>RoomType HotelId>Hotel
CREATE TABLE RatePlanDay (Id int AUTO_INCREMENT PRIMARY KEY, RoomTypeId int, HotelId int, Day date, Price decimal(10,2));
-- important|critical ModifiedAt: GuestHistory; rows 12000 edited; refs GuestId>Guest; edit ModifiedAt
CREATE TABLE GuestHistory (Id int AUTO_INCREMENT PRIMARY KEY, GuestId int, Remark varchar(200), CreatedAt datetime NOT NULL, ModifiedAt timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- audit Id: NightAuditEntries; rows 9000; refs HotelId>Hotel
CREATE TABLE NightAuditEntries (Id int AUTO_INCREMENT PRIMARY KEY, HotelId int, Line varchar(200), ClosedAt datetime NOT NULL);
-- audit Id: DoorLog; rows 40000; refs RoomId>Room
CREATE TABLE DoorLog (Id bigint AUTO_INCREMENT PRIMARY KEY, RoomId int, CardNo varchar(30), OpenedAt datetime NOT NULL);
-- reference -: UserSession; rows 60
CREATE TABLE UserSession (Id varchar(60) PRIMARY KEY, Payload text, ExpiresAt datetime);
-- important|reference ModifiedAt: Dialog; rows 300 edited; refs GuestId>Guest; edit ModifiedAt
CREATE TABLE Dialog (Id int AUTO_INCREMENT PRIMARY KEY, GuestId int, Title varchar(80), Body text, CreatedAt datetime NOT NULL, ModifiedAt datetime NOT NULL);
-- reference -: Setting; rows 60
CREATE TABLE Setting (Name varchar(60) PRIMARY KEY, Value varchar(200));
-- important|reference -: StaffMember; rows 120; refs HotelId>Hotel
CREATE TABLE StaffMember (Id int AUTO_INCREMENT PRIMARY KEY, HotelId int, FullName varchar(80), Role varchar(30), HiredOn date);

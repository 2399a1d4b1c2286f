-- A dentist's practice: words without a break, keys named after the table, a stamp `DateTStamp`, records edited after the fact.

-- critical DateTStamp: person; rows 5000 edited future; refs Guarantor>person ClinicNum>site; edit DateTStamp
CREATE TABLE person (PersonNum bigint AUTO_INCREMENT PRIMARY KEY, LName varchar(60), FName varchar(60), Birthdate date, Guarantor bigint, ClinicNum bigint, DateEntered date, DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- reference|important -: site; rows 4
CREATE TABLE site (ClinicNum bigint AUTO_INCREMENT PRIMARY KEY, Description varchar(60));
-- important|critical DateTStamp: visit; rows 14000 edited; refs PersonNum>person ClinicNum>site ProvNum>provider; edit DateTStamp
CREATE TABLE visit (VisitNum bigint AUTO_INCREMENT PRIMARY KEY, PersonNum bigint, ClinicNum bigint, ProvNum bigint, VisitTime datetime, Note text, DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- critical DateTStamp: treatmentlog; rows 40000 edited wide; refs PersonNum>person VisitNum>visit ProvNum>provider CodeNum>treatcode; edit DateTStamp
CREATE TABLE treatmentlog (ProcNum bigint AUTO_INCREMENT PRIMARY KEY, PersonNum bigint, VisitNum bigint, ProvNum bigint, CodeNum bigint, Fee double, Note text, DateEntryC datetime NOT NULL, DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important|reference -: provider; rows 25
CREATE TABLE provider (ProvNum bigint AUTO_INCREMENT PRIMARY KEY, Abbr varchar(20), LName varchar(60), FeeSched bigint, ItemOrder int);
-- reference -: treatcode; rows 600
CREATE TABLE treatcode (CodeNum bigint AUTO_INCREMENT PRIMARY KEY, ProcCode varchar(15), Descript varchar(120), ProcCat int);
-- reference -|DateTStamp: definition; rows 300
CREATE TABLE definition (DefNum bigint AUTO_INCREMENT PRIMARY KEY, Category int, ItemName varchar(120), ItemValue varchar(120));
-- critical|audit SecurityLogNum: securitylog; rows 60000; refs PersonNum>person UserNum>userod
CREATE TABLE securitylog (SecurityLogNum bigint AUTO_INCREMENT PRIMARY KEY, PermType int, UserNum bigint, LogDateTime datetime NOT NULL, LogText varchar(200), PersonNum bigint);
-- important|critical DateTStamp: commnote; rows 6000 edited; refs PersonNum>person UserNum>userod; edit DateTStamp
CREATE TABLE commnote (CommNum bigint AUTO_INCREMENT PRIMARY KEY, PersonNum bigint, UserNum bigint, CommTime datetime, Note text, DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important -: userod; rows 60
CREATE TABLE userod (UserNum bigint AUTO_INCREMENT PRIMARY KEY, UserName varchar(60), PasswordHash varchar(120), EmployeeNum bigint, ClinicNum bigint, ProvNum bigint, IsHidden tinyint, DateTFail datetime);
-- audit HistVisitNum: histvisit; rows 20000; refs PersonNum>person VisitNum>visit
CREATE TABLE histvisit (HistVisitNum bigint AUTO_INCREMENT PRIMARY KEY, VisitNum bigint, PersonNum bigint, HistTime datetime NOT NULL, HistAction int);
-- important|critical SecDateTEdit: receipt; rows 18000 edited; refs PersonNum>person ClinicNum>site; edit SecDateTEdit
CREATE TABLE receipt (PayNum bigint AUTO_INCREMENT PRIMARY KEY, PersonNum bigint, ClinicNum bigint, PayAmt double, PayDate date, SecDateTEdit timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- important -: receiptsplit; rows 20000; refs PayNum>receipt ProcNum>treatmentlog PersonNum>person
CREATE TABLE receiptsplit (SplitNum bigint AUTO_INCREMENT PRIMARY KEY, PayNum bigint, ProcNum bigint, PersonNum bigint, SplitAmt double);
-- reference -: signalod; rows 500 gone
CREATE TABLE signalod (SignalNum bigint AUTO_INCREMENT PRIMARY KEY, IType int, SigDateTime datetime NOT NULL, MsgValue varchar(200));
-- reference -: activeinstance; rows 8
CREATE TABLE activeinstance (ActiveInstanceNum bigint AUTO_INCREMENT PRIMARY KEY, ComputerNum bigint, ProcessId bigint, DateTimeLastActive datetime);
-- reference -: preference; rows 90
CREATE TABLE preference (PrefName varchar(80) PRIMARY KEY, ValueString text);
-- out -: tmp_recall_import; rows 200
CREATE TABLE tmp_recall_import (a int, b varchar(40));
-- important DateTStamp: recall; rows 5000 edited; refs PersonNum>person RecallTypeNum>recalltype; edit DateTStamp
CREATE TABLE recall (RecallNum bigint AUTO_INCREMENT PRIMARY KEY, PersonNum bigint, RecallTypeNum bigint, DateDue date, DateTStamp timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP);
-- reference -: recalltype; rows 8
CREATE TABLE recalltype (RecallTypeNum bigint AUTO_INCREMENT PRIMARY KEY, Description varchar(60), DefaultInterval int);

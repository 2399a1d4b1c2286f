-- held out
-- A small bank with declared foreign keys: a ledger that only grows, balances that are edited, an outbox, snapshots.

-- critical changed_ts: acc_client; rows 4000 edited; edit changed_ts
CREATE TABLE acc_client (client_id bigint AUTO_INCREMENT PRIMARY KEY, full_name varchar(120), tax_no varchar(40), opened_ts datetime NOT NULL, changed_ts datetime NOT NULL);
-- reference -: acc_product; rows 12
CREATE TABLE acc_product (product_id int AUTO_INCREMENT PRIMARY KEY, name varchar(60), rate decimal(6,4));
-- critical changed_ts: acc_account; rows 7000 edited; refs client_id>acc_client product_id>acc_product; edit changed_ts
CREATE TABLE acc_account (account_id bigint AUTO_INCREMENT PRIMARY KEY, client_id bigint, product_id int, iban varchar(40), balance decimal(16,2), opened_ts datetime NOT NULL, changed_ts datetime NOT NULL, FOREIGN KEY (client_id) REFERENCES acc_client (client_id), FOREIGN KEY (product_id) REFERENCES acc_product (product_id));
-- critical|audit entry_id|-: acc_entry; rows 60000; refs account_id>acc_account
CREATE TABLE acc_entry (entry_id bigint AUTO_INCREMENT PRIMARY KEY, account_id bigint, amount decimal(16,2), booked_ts datetime NOT NULL, text varchar(120), FOREIGN KEY (account_id) REFERENCES acc_account (account_id));
-- important|critical changed_ts: acc_standing_order; rows 3000 edited; refs account_id>acc_account; edit changed_ts
CREATE TABLE acc_standing_order (order_id bigint AUTO_INCREMENT PRIMARY KEY, account_id bigint, target_iban varchar(40), amount decimal(16,2), next_on date, opened_ts datetime NOT NULL, changed_ts datetime NOT NULL, FOREIGN KEY (account_id) REFERENCES acc_account (account_id));
-- important changed_ts: acc_card; rows 5000 edited; refs account_id>acc_account client_id>acc_client; edit changed_ts
CREATE TABLE acc_card (card_id bigint AUTO_INCREMENT PRIMARY KEY, account_id bigint, client_id bigint, pan varchar(40), valid_to date, opened_ts datetime NOT NULL, changed_ts datetime NOT NULL, FOREIGN KEY (account_id) REFERENCES acc_account (account_id), FOREIGN KEY (client_id) REFERENCES acc_client (client_id));
-- audit id: acc_audit_trail; rows 25000
CREATE TABLE acc_audit_trail (id bigint AUTO_INCREMENT PRIMARY KEY, actor varchar(60), object_name varchar(60), object_key bigint, what varchar(200), happened_ts datetime NOT NULL);
-- important|reference|audit -: acc_balance_snapshot; rows 14000; refs account_id>acc_account
CREATE TABLE acc_balance_snapshot (account_id bigint, day date, balance decimal(16,2), PRIMARY KEY (account_id, day));
-- reference -: acc_outbox_queue; rows 400 gone
CREATE TABLE acc_outbox_queue (id bigint AUTO_INCREMENT PRIMARY KEY, topic varchar(60), payload text, made_ts datetime NOT NULL);
-- reference -: acc_currency; rows 40
CREATE TABLE acc_currency (code char(3) PRIMARY KEY, name varchar(40));
-- important|reference -: acc_limit_rule; rows 60; refs product_id>acc_product
CREATE TABLE acc_limit_rule (rule_id int AUTO_INCREMENT PRIMARY KEY, product_id int, kind varchar(20), amount decimal(16,2), FOREIGN KEY (product_id) REFERENCES acc_product (product_id));
-- reference -: acc_lock; rows 12
CREATE TABLE acc_lock (name varchar(60) PRIMARY KEY, holder varchar(60), until_ts datetime);
-- out -: acc_client_backup; rows 4000
CREATE TABLE acc_client_backup (client_id bigint PRIMARY KEY, full_name varchar(120));
-- important|critical changed_ts: acc_transfer_log; rows 9000 edited; refs account_id>acc_account; edit changed_ts
CREATE TABLE acc_transfer_log (transfer_id bigint AUTO_INCREMENT PRIMARY KEY, account_id bigint, state varchar(20), made_ts datetime NOT NULL, changed_ts datetime NOT NULL, FOREIGN KEY (account_id) REFERENCES acc_account (account_id));

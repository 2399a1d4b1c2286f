-- A web shop, framework style: plurals, `customer_id`, `updated_at`, no foreign keys.

-- critical updated_at: customers; rows 5000 edited future
CREATE TABLE customers (id bigint AUTO_INCREMENT PRIMARY KEY, email varchar(120), name varchar(120), created_at timestamp NULL, updated_at timestamp NULL);
-- important updated_at: addresses; rows 6000 edited; refs customer_id>customers
CREATE TABLE addresses (id bigint AUTO_INCREMENT PRIMARY KEY, customer_id bigint, street varchar(120), city varchar(80), created_at timestamp NULL, updated_at timestamp NULL);
-- reference|important updated_at: categories; rows 80; refs parent_id>categories
CREATE TABLE categories (id bigint AUTO_INCREMENT PRIMARY KEY, parent_id bigint, name varchar(80), slug varchar(80), created_at timestamp NULL, updated_at timestamp NULL);
-- reference|important updated_at: brands; rows 120
CREATE TABLE brands (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(80), slug varchar(80), created_at timestamp NULL, updated_at timestamp NULL);
-- critical updated_at: products; rows 3000 edited wide; refs category_id>categories brand_id>brands
CREATE TABLE products (id bigint AUTO_INCREMENT PRIMARY KEY, category_id bigint, brand_id bigint, sku varchar(40), name varchar(120), description text, price decimal(10,2), created_at timestamp NULL, updated_at timestamp NULL);
-- critical updated_at: orders; rows 20000 edited; refs customer_id>customers billing_address_id>addresses shipping_address_id>addresses coupon_id>coupons
CREATE TABLE orders (id bigint AUTO_INCREMENT PRIMARY KEY, customer_id bigint, billing_address_id bigint, shipping_address_id bigint, coupon_id bigint, number varchar(30), total decimal(12,2), status varchar(20), created_at timestamp NULL, updated_at timestamp NULL);
-- critical|important updated_at: order_items; rows 50000 edited; refs order_id>orders product_id>products
CREATE TABLE order_items (id bigint AUTO_INCREMENT PRIMARY KEY, order_id bigint, product_id bigint, qty int, price decimal(10,2), created_at timestamp NULL, updated_at timestamp NULL);
-- important|critical updated_at: payments; rows 19000 edited; refs order_id>orders
CREATE TABLE payments (id bigint AUTO_INCREMENT PRIMARY KEY, order_id bigint, provider varchar(20), reference varchar(60), amount decimal(12,2), created_at timestamp NULL, updated_at timestamp NULL);
-- important updated_at: reviews; rows 4000 edited; refs product_id>products customer_id>customers
CREATE TABLE reviews (id bigint AUTO_INCREMENT PRIMARY KEY, product_id bigint, customer_id bigint, stars int, body text, created_at timestamp NULL, updated_at timestamp NULL);
-- important|reference updated_at: coupons; rows 200 edited
CREATE TABLE coupons (id bigint AUTO_INCREMENT PRIMARY KEY, code varchar(30), percent int, valid_until datetime, max_uses int, uses int, created_at timestamp NULL, updated_at timestamp NULL);
-- important -: product_tag; rows 6000; refs product_id>products tag_id>tags
CREATE TABLE product_tag (product_id bigint, tag_id bigint, PRIMARY KEY (product_id, tag_id));
-- reference updated_at: tags; rows 150
CREATE TABLE tags (id bigint AUTO_INCREMENT PRIMARY KEY, name varchar(60), created_at timestamp NULL, updated_at timestamp NULL);
-- reference -: carts_cache; rows 300 gone
CREATE TABLE carts_cache (id bigint AUTO_INCREMENT PRIMARY KEY, token varchar(60), content text, expires_at datetime);
-- audit id: login_attempts; rows 8000
CREATE TABLE login_attempts (id bigint AUTO_INCREMENT PRIMARY KEY, email varchar(120), ip varchar(40), successful tinyint, attempted_at datetime NOT NULL);
-- audit id: stock_history; rows 12000; refs product_id>products
CREATE TABLE stock_history (id bigint AUTO_INCREMENT PRIMARY KEY, product_id bigint, delta int, reason varchar(60), created_at timestamp NULL);
-- reference -: failed_jobs; rows 30
CREATE TABLE failed_jobs (id bigint AUTO_INCREMENT PRIMARY KEY, connection varchar(40), payload text, exception text, failed_at timestamp NULL);
-- reference -: migrations; rows 90
CREATE TABLE migrations (id int AUTO_INCREMENT PRIMARY KEY, migration varchar(190), batch int);
-- reference -: password_reset_tokens; rows 40
CREATE TABLE password_reset_tokens (email varchar(120) PRIMARY KEY, token varchar(120), created_at timestamp NULL);
-- reference -: sessions; rows 300; refs user_id>customers
CREATE TABLE sessions (id varchar(60) PRIMARY KEY, user_id bigint, payload text, last_activity int);

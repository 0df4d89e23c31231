CREATE TABLE users (
    id         bigint NOT NULL PRIMARY KEY,
    email      varchar(255) NOT NULL,
    name       varchar(100) NOT NULL,
    n          int NOT NULL DEFAULT 0,
    updated_at datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6)
) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE INDEX users_email_idx ON users (email);

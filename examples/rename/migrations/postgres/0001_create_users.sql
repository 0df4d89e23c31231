CREATE TABLE users (
    id         bigint PRIMARY KEY,
    email      text NOT NULL CONSTRAINT users_email_check CHECK (email LIKE '%@%'),
    name       text NOT NULL,
    n          integer NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX users_email_idx ON users (email);

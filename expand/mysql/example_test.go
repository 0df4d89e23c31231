package mysql_test

import (
	"fmt"

	"github.com/phasedb/phased/expand/mysql"
)

func ExampleParser() {
	m, err := mysql.Parser().Parse("migrations/0007_rename_email.sql", `
-- phased:up   users.email_address = lower(email)
-- phased:down users.email = email_address
ALTER TABLE users RENAME COLUMN email TO email_address;

ALTER TABLE users ADD INDEX users_created (created_at);
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Name)
	for _, s := range m.Statements {
		fmt.Printf("%s: %s\n", s.Where(), s.Change.Describe())
	}
	// Output:
	// 0007_rename_email
	// migrations/0007_rename_email.sql:4: statement 1: rename column users.email to email_address
	// migrations/0007_rename_email.sql:6: statement 2: create index users_created on users
}

// A statement without a safe form is an error with the way out.
func ExampleParser_refused() {
	_, err := mysql.Parser().Parse("migrations/0008_email.sql", "ALTER TABLE users CHANGE email email_address varchar(200);")
	fmt.Println(err)
	// Output:
	// migrations/0008_email.sql:1: statement 1: ALTER TABLE users CHANGE email email_address: it may change the type along with the name; write RENAME COLUMN email TO email_address
}

// What cannot be read here can still run as it is written.
func ExampleParser_asWritten() {
	m, err := mysql.Parser().Parse("migrations/0009_history.sql", `
-- phased:as-written reason="the table is small"
ALTER TABLE users ADD SYSTEM VERSIONING;
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Statements[0].Change.Describe())
	// Output:
	// run a statement as written: the table is small
}

package contract_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/phasedb/phased/backfill"
	"github.com/phasedb/phased/compat/scratch"
	"github.com/phasedb/phased/contract"
	"github.com/phasedb/phased/expand"
	"github.com/phasedb/phased/expand/plan"
)

// Two builds of a service and the whole life of a renamed column. The soak is as
// short as can be here: three lifetimes of the heartbeat.
func Example() {
	ctx := context.Background()
	server, err := scratch.Shared(ctx)
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.CreateDatabase(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer s.Drop(ctx)
	db := s.DB
	if _, err := db.Exec(`CREATE TABLE users (id int PRIMARY KEY, email text); INSERT INTO users VALUES (1, 'ann@example.com')`); err != nil {
		log.Fatal(err)
	}

	rename := &expand.Migration{Name: "0007_rename_email", Checksum: "1", Statements: []expand.Statement{
		{Change: expand.RenameColumn{Table: "users", From: "email", To: "email_address"}}}}
	line := &expand.Migration{Name: "0008_contract", Checksum: "1", Directives: plan.Directives{Contracts: []string{"0007_rename_email"}}}
	build := func(version string, migrations ...*expand.Migration) *expand.Migrator {
		m, err := expand.New(db, nil, expand.Config{App: "billing", Version: version, Migrations: migrations, Heartbeat: 100 * time.Millisecond})
		if err != nil {
			log.Fatal(err)
		}
		return m
	}

	v1 := build("v1", rename)
	if err := v1.Baseline(ctx, expand.BaselineNone); err != nil {
		log.Fatal(err)
	}
	if err := v1.Up(ctx); err != nil {
		log.Fatal(err)
	}
	if _, err := backfill.Run(ctx, db, backfill.Config{}); err != nil {
		log.Fatal(err)
	}
	v2 := build("v2", rename, line) // its code uses email_address only
	if err := v2.Up(ctx); err != nil {
		log.Fatal(err)
	}
	defer v2.Close(ctx)

	cfg := contract.Config{Soak: time.Nanosecond, Apps: []string{"billing"}, Migration: "0007_rename_email"}
	_, err = contract.Run(ctx, db, cfg)
	var not *contract.NotMetError
	if errors.As(err, &not) {
		for _, g := range not.Report.Shut() {
			if g.Name == "register" || g.Name == "writes" {
				fmt.Println("not met:", g.Name)
			}
		}
	}
	if err := v1.Close(ctx); err != nil {
		log.Fatal(err)
	}

	for state := ""; state != "dropped"; time.Sleep(50 * time.Millisecond) { // a service calls Work instead
		reports, err := contract.Run(ctx, db, cfg)
		if err != nil && !errors.Is(err, contract.ErrNotMet) {
			log.Fatal(err)
		}
		for _, d := range reports[0].Done {
			fmt.Println("done:", d)
		}
		state = reports[0].State
	}
	var address string
	if err := db.QueryRow(`SELECT email_address FROM users`).Scan(&address); err != nil {
		log.Fatal(err)
	}
	fmt.Println(address)
	// Output:
	// not met: register
	// not met: writes
	// done: hide column email as email~hidden; the sync goes on
	// done: drop email~hidden, the old side
	// ann@example.com
}

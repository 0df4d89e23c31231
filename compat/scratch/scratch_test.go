package scratch

import "testing"

func TestPostgres(t *testing.T) {
	t.Parallel()
	d := Postgres(t)
	var name string
	if err := d.DB.QueryRow(`SELECT current_database()`).Scan(&name); err != nil {
		t.Fatal(err)
	}
	if name != d.Name {
		t.Errorf("connected to %s, want %s", name, d.Name)
	}
}

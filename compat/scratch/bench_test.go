package scratch

import "testing"

// What a test pays for its database, alone and beside others.
func BenchmarkDatabase(b *testing.B) {
	Postgres(b)
	s, err := Shared(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("one by one", func(b *testing.B) {
		for b.Loop() {
			createAndDrop(b, s)
		}
	})
	b.Run("in parallel", func(b *testing.B) {
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				createAndDrop(b, s)
			}
		})
	})
}

func createAndDrop(b *testing.B, s *Server) {
	db, err := s.CreateDatabase(b.Context())
	if err != nil {
		b.Error(err)
		return
	}
	if err := db.Drop(b.Context()); err != nil {
		b.Error(err)
	}
}

package plan

import (
	"encoding/json"
	"fmt"
	"time"
)

// stepFields is Step without its methods.
type stepFields Step

type stepJSON struct {
	stepFields
	LockTimeout      string `json:"lock_timeout,omitempty"`
	StatementTimeout string `json:"statement_timeout,omitempty"`
}

// MarshalJSON writes the timeouts as "500ms", for reviewers.
func (s Step) MarshalJSON() ([]byte, error) {
	return json.Marshal(stepJSON{stepFields(s), text(s.LockTimeout), text(s.StatementTimeout)})
}

// UnmarshalJSON reads what MarshalJSON wrote.
func (s *Step) UnmarshalJSON(b []byte) error {
	var j stepJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*s = Step(j.stepFields)
	for _, d := range []struct {
		to   *time.Duration
		from string
	}{{&s.LockTimeout, j.LockTimeout}, {&s.StatementTimeout, j.StatementTimeout}} {
		*d.to = 0
		if d.from == "" {
			continue
		}
		v, err := time.ParseDuration(d.from)
		if err != nil || v < 0 {
			return fmt.Errorf("step %q: timeout %q is not a duration such as \"500ms\"", s.Title, d.from)
		}
		*d.to = v
	}
	return nil
}

func text(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

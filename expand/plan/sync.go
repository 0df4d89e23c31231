package plan

// Apply gives the links of the step's table after the step, from those before it.
// Links of other tables are left out by the caller.
func (s *SyncStep) Apply(links []Link) []Link {
	var out []Link
	for _, l := range links {
		switch l.ID {
		case s.Remove:
			continue
		case s.Hide:
			l = l.Hide()
			l.Swap = ""
		case s.Show:
			l = l.Show()
			l.Swap = ""
		case s.Swap:
			l.Swap = s.To
		}
		if s.Add == nil || l.ID != s.Add.ID {
			out = append(out, l)
		}
	}
	if s.Add != nil {
		out = append(out, *s.Add)
	}
	return out
}

// Hide is the link once its old column has its hidden name.
func (l Link) Hide() Link {
	if l.Shown == "" {
		l.Shown, l.Old = l.Old, l.Hidden
	}
	return l
}

// Show is the link once its old column has its own name again.
func (l Link) Show() Link {
	if l.Shown != "" {
		l.Old, l.Shown = l.Shown, ""
	}
	return l
}

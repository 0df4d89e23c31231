package scratch

const bindsToParent = true

package myquery

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pingcap/tidb/pkg/parser/ast"
)

// Unfit is an expression that can be read, and cannot carry a value from one column
// to another.
type Unfit struct{ Message, Way string }

func (u *Unfit) Error() string { return u.Message }

// CheckExpression reports what keeps a text from being one expression over a column
// that gives the same value for the same value of it, whenever, in whatever session.
// That is an [*Unfit]; any other error means that the text cannot be read.
func CheckExpression(expr, column string) error {
	// Without parentheses a list is two columns, in them a FROM or an alias is an
	// error: only one expression is the same in both.
	for _, sql := range []string{"SELECT " + expr, "SELECT (" + expr + "\n)"} {
		field, err := selected(sql)
		if err != nil {
			return err
		}
		see := &seer{column: column}
		field.Accept(see)
		if see.unfit != nil {
			return see.unfit
		}
	}
	return nil
}

// selected returns the one expression that a query of nothing else gives.
func selected(sql string) (ast.ExprNode, error) {
	no := errors.New("it is not one expression")
	stmts, err := Split(sql)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, no
	}
	tree, err := stmts[0].parse()
	if err != nil {
		return nil, err
	}
	s, ok := tree.(*ast.SelectStmt)
	if !ok || s.Kind != ast.SelectStmtKindSelect || s.Distinct || s.From != nil || s.Where != nil || s.GroupBy != nil || s.Having != nil ||
		s.WindowSpecs != nil || s.OrderBy != nil || s.Limit != nil || s.LockInfo != nil || s.SelectIntoOpt != nil || s.With != nil ||
		s.SelectStmtOpts != nil && (!s.SQLCache || s.CalcFoundRows || s.StraightJoin || s.SQLBigResult || s.SQLSmallResult || s.SQLBufferResult || s.Priority != 0) ||
		len(s.Fields.Fields) != 1 {
		return nil, no
	}
	f := s.Fields.Fields[0]
	if f.WildCard != nil || f.AsName.O != "" || f.Expr == nil {
		return nil, no
	}
	if _, ok := f.Expr.(*ast.RowExpr); ok {
		return nil, no
	}
	return f.Expr, nil
}

// seer walks over an expression and keeps what it finds first.
type seer struct {
	column string
	unfit  *Unfit
}

func (v *seer) Leave(n ast.Node) (ast.Node, bool) { return n, v.unfit == nil }

func (v *seer) Enter(n ast.Node) (ast.Node, bool) {
	if v.unfit == nil {
		v.unfit = v.look(n)
	}
	return n, v.unfit != nil
}

func (v *seer) look(n ast.Node) *Unfit {
	alone := "write it over " + v.column + " alone"
	switch n := n.(type) {
	case *ast.ColumnNameExpr:
		switch {
		case n.Name.Table.O != "":
			return &Unfit{fmt.Sprintf("%s is qualified", n.Name.OrigColName()), "write the column's name alone"}
		case !strings.EqualFold(n.Name.Name.O, v.column):
			return &Unfit{"it reads the column " + n.Name.Name.O, alone}
		}
	case *ast.FuncCallExpr:
		return lookAtCall(n)
	case *ast.BinaryOperationExpr, *ast.UnaryOperationExpr, *ast.ParenthesesExpr, *ast.BetweenExpr, *ast.CaseExpr, *ast.WhenClause, *ast.FuncCastExpr,
		*ast.IsNullExpr, *ast.IsTruthExpr, *ast.PatternInExpr, *ast.PatternLikeOrIlikeExpr, *ast.PatternRegexpExpr, *ast.RowExpr, *ast.SetCollationExpr,
		*ast.TimeUnitExpr, *ast.TrimDirectionExpr, *ast.GetFormatSelectorExpr, *ast.ColumnName, ast.ValueExpr:
		if _, ok := n.(ast.ParamMarkerExpr); ok {
			return &Unfit{"it holds a parameter, and nobody gives it a value", alone}
		}
	case *ast.SubqueryExpr, *ast.ExistsSubqueryExpr, *ast.CompareSubqueryExpr:
		return &Unfit{"it holds a query, whose result changes with other rows", alone}
	case *ast.AggregateFuncExpr:
		return &Unfit{n.F + " reads more than one row", alone}
	case *ast.WindowFuncExpr:
		return &Unfit{n.Name + " reads more than one row", alone}
	case *ast.VariableExpr:
		at := "@"
		if n.IsSystem {
			at = "@@"
		}
		return &Unfit{fmt.Sprintf("it reads the variable %s%s, which differs from session to session", at, n.Name), alone}
	case *ast.ValuesExpr:
		return &Unfit{"VALUES(…) has a meaning in INSERT only", alone}
	case *ast.DefaultExpr:
		return &Unfit{"DEFAULT(…) reads the table's definition, not the row", "write the value"}
	case *ast.MatchAgainst:
		return &Unfit{"MATCH … AGAINST reads an index of the table", alone}
	default:
		return &Unfit{"it holds what is not known here: " + restore(n.Restore), alone}
	}
	return nil
}

func lookAtCall(n *ast.FuncCallExpr) *Unfit {
	name := n.FnName.L
	switch {
	case n.Schema.O != "":
		return &Unfit{fmt.Sprintf("it calls %s.%s: a stored function may give another result each time", n.Schema.O, n.FnName.O), wayFunctions}
	case name == "week" && len(n.Args) == 1:
		return &Unfit{"week depends on the session's default_week_format", "give it the mode as its second argument"}
	case name == "date_format" && !plainFormat(n.Args):
		return &Unfit{"date_format depends on the session's lc_time_names", "give it a format without names of days and months"}
	case pure[name], name == ast.DateLiteral, name == ast.TimeLiteral, name == ast.TimestampLiteral:
		return nil
	}
	if why, ok := impure[name]; ok {
		return &Unfit{n.FnName.L + " " + why, wayFunctions}
	}
	return &Unfit{fmt.Sprintf("%s is not known here, and may give another result each time", n.FnName.O), wayFunctions}
}

const wayFunctions = "use functions of the server that depend on their arguments alone"

// plainFormat reports whether a format of date_format is a literal that names neither
// days nor months.
func plainFormat(args []ast.ExprNode) bool {
	if len(args) != 2 {
		return false
	}
	v, ok := args[1].(ast.ValueExpr)
	if !ok {
		return false
	}
	format := v.GetString()
	for i := 0; i+1 < len(format); i++ {
		if format[i] == '%' {
			i++
			if strings.IndexByte("MWab", format[i]) >= 0 {
				return false
			}
		}
	}
	return true
}

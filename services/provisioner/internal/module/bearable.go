package module

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/slipway-idp/slipway/libs/archive"
)

// What a parser that calls itself is given. A module is somebody else's text,
// and a stack that overflows takes the whole platform with it.
const (
	maxConfig = 1 << 20 // bytes of one configuration file
	maxDepth  = 100     // brackets and templates within each other
	maxDeeper = 2000    // of the tokens in one expression that nest without a bracket
)

// bearable refuses what could only be meant to harm the parser.
func bearable(name string, src []byte) error {
	if len(src) > maxConfig {
		return fmt.Errorf("it has more than %s", archive.Bytes(maxConfig))
	}
	if strings.HasSuffix(name, ".json") {
		return bearableJSON(src)
	}
	return bearableText(src)
}

// bearableText goes by the scanner, which is a loop, and which tells apart what
// is text and what is not.
func bearableText(src []byte) error {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	var open []hclsyntax.TokenType
	deeper := 0
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenTemplateControl:
			deeper++
			open = append(open, t.Type)
		case hclsyntax.TokenOBrace, hclsyntax.TokenOBrack, hclsyntax.TokenOParen, hclsyntax.TokenOQuote, hclsyntax.TokenOHeredoc, hclsyntax.TokenTemplateInterp:
			open = append(open, t.Type)
		case hclsyntax.TokenCBrace, hclsyntax.TokenCBrack, hclsyntax.TokenCParen, hclsyntax.TokenCQuote, hclsyntax.TokenCHeredoc, hclsyntax.TokenTemplateSeqEnd:
			open = open[:max(len(open)-1, 0)]
		case hclsyntax.TokenQuestion, hclsyntax.TokenBang, hclsyntax.TokenMinus, hclsyntax.TokenPlus, hclsyntax.TokenStar, hclsyntax.TokenSlash,
			hclsyntax.TokenPercent, hclsyntax.TokenAnd, hclsyntax.TokenOr, hclsyntax.TokenEqualOp, hclsyntax.TokenNotEqual:
			deeper++
		case hclsyntax.TokenNewline:
			// It ends an expression, except between brackets.
			if n := len(open); n == 0 || open[n-1] == hclsyntax.TokenOBrace {
				deeper = 0
			}
		}
		if len(open) > maxDepth || deeper > maxDeeper {
			return fmt.Errorf("line %d is nested too deeply to be read", t.Range.Start.Line)
		}
	}
	return nil
}

func bearableJSON(src []byte) error {
	depth, line, quoted := 0, 1, false
	for i := 0; i < len(src); i++ {
		switch c := src[i]; {
		case c == '\n':
			line++
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[' || c == '{':
			if depth++; depth > maxDepth {
				return fmt.Errorf("line %d is nested too deeply to be read", line)
			}
		case c == ']' || c == '}':
			depth--
		}
	}
	return nil
}

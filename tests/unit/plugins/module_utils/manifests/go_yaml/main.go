// Reads a JSON array of YAML texts from standard input and says what kcm's Sveltos and Helm make of each: the text is
// executed as a Go template and then read by sigs.k8s.io/yaml. Writes a JSON array of {template, error, value}, where
// template says whether executing it left the text as it was.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"

	"sigs.k8s.io/yaml"
)

type answer struct {
	Template bool            `json:"template"`
	Error    string          `json:"error,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
}

func read(text string) (result answer) {
	parsed, err := template.New("values").Option("missingkey=error").Parse(text)
	if err != nil {
		result.Error = err.Error()
		return
	}
	var out strings.Builder
	if err = parsed.Execute(&out, map[string]any{}); err != nil {
		result.Error = err.Error()
		return
	}
	result.Template = out.String() == text
	value, err := yaml.YAMLToJSON([]byte(out.String()))
	if err != nil {
		result.Error = err.Error()
		return
	}
	result.Value = value
	return
}

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	answers := make([]answer, len(texts))
	for index, text := range texts {
		answers[index] = read(text)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

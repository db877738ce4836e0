// Judges our YAML by what helm and kubectl read it with. Reads a JSON array of tasks {text, as} from standard input, text
// in base64, and writes a JSON array of answers.
//
// as "values": the text is executed as a Go template and then read by sigs.k8s.io/yaml, as kcm's Sveltos and Helm do;
// the answer is {template, error, value}, where template says whether executing it left the text as it was.
// as "document": read by sigs.k8s.io/yaml alone. as "stream": split and read by k8s.io/apimachinery, as helm reads a
// manifest; value is the list of the documents.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/template"

	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

type task struct {
	Text []byte `json:"text"`
	As   string `json:"as"`
}

type answer struct {
	Template bool            `json:"template"`
	Error    string          `json:"error,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
}

func readValues(text string) (result answer) {
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
	result = readDocument([]byte(out.String()))
	result.Template = out.String() == text
	return
}

func readDocument(text []byte) (result answer) {
	defer func() {
		if reason := recover(); reason != nil {
			result = answer{Error: fmt.Sprintf("panic: %v", reason)}
		}
	}()
	value, err := yaml.YAMLToJSON(text)
	if err != nil {
		result.Error = err.Error()
		return
	}
	result.Value = value
	return
}

func readStream(text []byte) (result answer) {
	documents := []json.RawMessage{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return answer{Error: err.Error()}
		}
		read := readDocument(document)
		if read.Error != "" {
			return read
		}
		documents = append(documents, read.Value)
	}
	value, err := json.Marshal(documents)
	if err != nil {
		panic(err)
	}
	return answer{Value: value}
}

func main() {
	var tasks []task
	if err := json.NewDecoder(os.Stdin).Decode(&tasks); err != nil {
		panic(err)
	}
	answers := make([]answer, len(tasks))
	for index, task := range tasks {
		switch task.As {
		case "document":
			answers[index] = readDocument(task.Text)
		case "stream":
			answers[index] = readStream(task.Text)
		default:
			answers[index] = readValues(string(task.Text))
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}

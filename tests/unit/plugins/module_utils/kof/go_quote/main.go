// Reads a JSON array of texts from standard input and writes a JSON array of what strconv.Quote makes of each.
package main

import (
	"encoding/json"
	"os"
	"strconv"
)

func main() {
	var texts []string
	if err := json.NewDecoder(os.Stdin).Decode(&texts); err != nil {
		panic(err)
	}
	for index, text := range texts {
		texts[index] = strconv.Quote(text)
	}
	if err := json.NewEncoder(os.Stdout).Encode(texts); err != nil {
		panic(err)
	}
}

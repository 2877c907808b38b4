// Ask the service about one picture: judge URL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Answer is what is used of the service's; a pointer tells what is missing.
type Answer struct {
	ErrorCode *int   `json:"errorCode"`
	ErrorMsg  string `json:"errorMsg"`
	Result    struct {
		IsAnomalous *bool    `json:"isAnomalous"`
		Score       *float64 `json:"score"`
	} `json:"result"`
}

// judge tells whether the part in the picture is anomalous, and its score.
func judge(url, picture string) (anomalous bool, score float64, err error) {
	file, err := os.ReadFile(picture)
	if err != nil {
		return false, 0, err
	}
	body, err := json.Marshal(map[string]any{"image": file, "visualize": false}) // bytes become base64
	if err != nil {
		return false, 0, err
	}
	request, err := http.NewRequest("POST", url+"/image-anomaly-detection", bytes.NewReader(body))
	if err != nil {
		return false, 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-API-Key", os.Getenv("PADDLEX_API_KEY"))
	response, err := (&http.Client{Timeout: time.Minute}).Do(request)
	if err != nil {
		return false, 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return false, 0, err
	}
	if response.StatusCode != 200 {
		return false, 0, fmt.Errorf("HTTP status %d: %.1000s", response.StatusCode, text)
	}
	var answer Answer
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, 0, err
	}
	code, result := answer.ErrorCode, answer.Result
	if code == nil || *code != 0 || result.IsAnomalous == nil || result.Score == nil {
		return false, 0, errors.New("no verdict: " + answer.ErrorMsg)
	}
	return *result.IsAnomalous, *result.Score, nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "error: usage: judge URL PICTURE")
		os.Exit(2)
	}
	anomalous, score, err := judge(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(2)
	}
	if anomalous {
		fmt.Printf("NG %.6f\n", score)
		os.Exit(1)
	}
	fmt.Printf("OK %.6f\n", score)
}

// Judge a picture by inference_complete.onnx: judge MODEL PICTURE. Exit status: 0 OK, 1 NG, 2 no verdict.
package main

// #cgo LDFLAGS: -L${SRCDIR}/../c/build -Wl,-rpath,${SRCDIR}/../c/build -ljudge
// #include "../c/judge.h"
import "C"

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"strings"
	"unsafe"
)

// Verdict is what is printed.
type Verdict struct {
	Score           float32 `json:"score"`
	IsAnomalous     bool    `json:"isAnomalous"`
	MapMaximum      float32 `json:"mapMaximum"`
	AnomalousPixels int     `json:"anomalousPixels"`
}

// read gives the pixels of a picture of 8 bits, RGB, row by row.
func read(path string) (pixels []byte, width, height int, err error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer file.Close()
	picture, _, err := image.Decode(file)
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s: %w", path, err)
	}
	switch picture.ColorModel() {
	case color.Gray16Model, color.RGBA64Model, color.NRGBA64Model:
		return nil, 0, 0, errors.New(path + " is not a picture of 8 bits")
	}
	at := picture.Bounds()
	for i := 0; i < at.Dx()*at.Dy(); i++ {
		c := color.NRGBAModel.Convert(picture.At(at.Min.X+i%at.Dx(), at.Min.Y+i/at.Dx())).(color.NRGBA)
		pixels = append(pixels, c.R, c.G, c.B)
	}
	return pixels, at.Dx(), at.Dy(), nil
}

// judge gives the verdict about the picture.
func judge(model, picture string) (*Verdict, error) {
	pixels, width, height, err := read(picture)
	if err != nil {
		return nil, err
	}
	file, err := os.ReadFile(model)
	if err != nil {
		return nil, err
	}
	failure := make([]C.char, C.JUDGE_ERROR_SIZE)
	var opened *C.judge
	if C.judge_open(unsafe.Pointer(&file[0]), C.size_t(len(file)), &opened, &failure[0]) != 0 {
		return nil, errors.New(C.GoString(&failure[0]))
	}
	defer C.judge_close(opened)
	anomalyMap, mask := make([]float32, width*height), make([]byte, width*height)
	var score C.float
	var anomalous C.uint8_t
	if C.judge_run(opened, (*C.uint8_t)(&pixels[0]), C.int64_t(height), C.int64_t(width),
		&score, &anomalous, (*C.float)(&anomalyMap[0]), (*C.uint8_t)(&mask[0]), &failure[0]) != 0 {
		return nil, errors.New(C.GoString(&failure[0]))
	}
	verdict := &Verdict{Score: float32(score), IsAnomalous: anomalous != 0, MapMaximum: anomalyMap[0]}
	for i, value := range anomalyMap {
		if value > verdict.MapMaximum {
			verdict.MapMaximum = value
		}
		if mask[i] == 255 {
			verdict.AnomalousPixels++
		}
	}
	return verdict, nil
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "error: usage: judge MODEL PICTURE")
		os.Exit(2)
	}
	verdict, err := judge(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", strings.Join(strings.Fields(err.Error()), " "))
		os.Exit(2)
	}
	json.NewEncoder(os.Stdout).Encode(verdict)
	os.Exit(map[bool]int{false: 0, true: 1}[verdict.IsAnomalous])
}

package main

import (
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
)

// point is one raw sample of a series.
type point struct {
	at    int64
	value float64
}

func (p point) ST() int64                   { return 0 }
func (p point) T() int64                    { return p.at }
func (p point) F() float64                  { return p.value }
func (point) H() *histogram.Histogram       { return nil }
func (point) FH() *histogram.FloatHistogram { return nil }
func (point) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (p point) Copy() chunks.Sample         { return p }

func listed(points []point) []chunks.Sample {
	all := make([]chunks.Sample, len(points))
	for i, each := range points {
		all[i] = each
	}
	return all
}

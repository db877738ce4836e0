// A stand-in for promxy's query side: one Prometheus API over many, by promxy's own configuration.
//
// The PromQL engine is the real one. What it selects is asked of each server group as promxy asks: an instant query of
// the selector over a range, whose raw samples get the group's labels. A group that does not answer fails the query,
// as in promxy without ignore_error.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"go.yaml.in/yaml/v2"
)

// group is a server group of promxy's configuration, as far as kof's operator writes it.
type group struct {
	StaticConfigs []struct {
		Targets []string `yaml:"targets"`
	} `yaml:"static_configs"`
	PathPrefix string `yaml:"path_prefix"`
	Scheme     string `yaml:"scheme"`
	HTTPClient struct {
		DialTimeout time.Duration `yaml:"dial_timeout"`
		TLSConfig   struct {
			InsecureSkipVerify bool `yaml:"insecure_skip_verify"`
		} `yaml:"tls_config"`
		BasicAuth struct {
			Username string `yaml:"username"`
			Password string `yaml:"password"`
		} `yaml:"basic_auth"`
	} `yaml:"http_client"`
	Labels map[string]string `yaml:"labels"`
	client *http.Client
}

type configuration struct {
	Promxy struct {
		ServerGroups []*group `yaml:"server_groups"`
	} `yaml:"promxy"`
}

// groups are replaced whole when the configuration is read anew.
type groups struct {
	sync.RWMutex
	file string
	all  []*group
}

func (g *groups) reload() error {
	text, err := os.ReadFile(g.file)
	if err != nil {
		return err
	}
	var read configuration
	if err := yaml.Unmarshal(text, &read); err != nil {
		return err
	}
	for _, each := range read.Promxy.ServerGroups {
		dialer := &net.Dialer{Timeout: each.HTTPClient.DialTimeout}
		if dialer.Timeout == 0 {
			dialer.Timeout = 200 * time.Millisecond // promxy's own default
		}
		each.client = &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
			Proxy:           http.ProxyFromEnvironment,
			DialContext:     dialer.DialContext,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: each.HTTPClient.TLSConfig.InsecureSkipVerify},
		}}
	}
	g.Lock()
	defer g.Unlock()
	g.all = read.Promxy.ServerGroups
	return nil
}

func (g *groups) Querier(mint, maxt int64) (storage.Querier, error) {
	g.RLock()
	defer g.RUnlock()
	return &querier{g.all, mint, maxt}, nil
}

type querier struct {
	groups     []*group
	mint, maxt int64
}

// Select asks every group whose labels can match.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	start, end := q.mint, q.maxt
	if hints != nil {
		start, end = hints.Start, hints.End
	}
	var found []storage.Series
	for _, each := range q.groups {
		rest, possible := without(each.Labels, matchers)
		if !possible {
			continue
		}
		series, err := each.samples(ctx, rest, start, end)
		if err != nil {
			return storage.ErrSeriesSet(fmt.Errorf("server group %s: %w", each.Labels["promxyCluster"], err))
		}
		found = append(found, series...)
	}
	sort.Slice(found, func(i, j int) bool { return labels.Compare(found[i].Labels(), found[j].Labels()) < 0 })
	return &set{series: found, at: -1}
}

// without leaves out matchers that a group's own labels answer; false if one of them says no.
func without(own map[string]string, matchers []*labels.Matcher) ([]*labels.Matcher, bool) {
	var rest []*labels.Matcher
	for _, matcher := range matchers {
		value, mine := own[matcher.Name]
		if !mine {
			rest = append(rest, matcher)
		} else if !matcher.Matches(value) {
			return nil, false
		}
	}
	return rest, true
}

func (g *group) samples(ctx context.Context, matchers []*labels.Matcher, start, end int64) ([]storage.Series, error) {
	words := make([]string, len(matchers))
	for i, matcher := range matchers {
		words[i] = matcher.String()
	}
	asked := url.Values{
		"query":          {fmt.Sprintf("{%s}[%dms]", strings.Join(words, ","), max(end-start, 1))},
		"time":           {strconv.FormatFloat(float64(end)/1000, 'f', 3, 64)},
		"latency_offset": {"1ms"},
	}
	var found []storage.Series
	for _, each := range g.StaticConfigs {
		for _, target := range each.Targets {
			var answer struct {
				Status, Error string
				Data          struct {
					Result []struct {
						Metric map[string]string
						Values [][2]any
					}
				}
			}
			if err := g.get(ctx, target, "/api/v1/query", asked, &answer); err != nil {
				return nil, err
			}
			if answer.Status != "success" {
				return nil, errors.New(answer.Error)
			}
			for _, each := range answer.Data.Result {
				builder := labels.NewBuilder(labels.FromMap(each.Metric))
				for name, value := range g.Labels {
					builder.Set(name, value)
				}
				var points []point
				for _, pair := range each.Values {
					seconds, _ := pair[0].(float64)
					text, _ := pair[1].(string)
					value, err := strconv.ParseFloat(text, 64)
					if err != nil {
						return nil, err
					}
					points = append(points, point{int64(math.Round(seconds * 1000)), value})
				}
				found = append(found, storage.NewListSeries(builder.Labels(), listed(points)))
			}
		}
	}
	return found, nil
}

func (g *group) get(ctx context.Context, target, path string, asked url.Values, into any) error {
	address := fmt.Sprintf("%s://%s%s%s", g.Scheme, target, strings.TrimSuffix(g.PathPrefix, "/"), path)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(asked.Encode()))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.SetBasicAuth(g.HTTPClient.BasicAuth.Username, g.HTTPClient.BasicAuth.Password)
	answer, err := g.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", target, answer.Status)
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

func (*querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.New("not served by this stand-in")
}

func (*querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, errors.New("not served by this stand-in")
}

func (*querier) Close() error { return nil }

type set struct {
	series []storage.Series
	at     int
}

func (s *set) Next() bool                      { s.at++; return s.at < len(s.series) }
func (s *set) At() storage.Series              { return s.series[s.at] }
func (*set) Err() error                        { return nil }
func (*set) Warnings() annotations.Annotations { return nil }

func main() {
	file := flag.String("config", "", "promxy's configuration")
	address := flag.String("bind-addr", "127.0.0.1:8082", "where to listen")
	flag.Parse()
	all := &groups{file: *file}
	if err := all.reload(); err != nil {
		log.Fatal(err)
	}
	engine := promql.NewEngine(promql.EngineOpts{
		Logger: slog.Default(), MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute,
		EnableAtModifier: true, EnableNegativeOffset: true, Parser: parser.NewParser(parser.Options{}),
	})
	http.HandleFunc("/-/reload", func(w http.ResponseWriter, _ *http.Request) {
		if err := all.reload(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	http.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		at, err := moment(r.FormValue("time"), time.Now())
		tell(w, err, func() (promql.Query, error) {
			return engine.NewInstantQuery(r.Context(), all, nil, r.FormValue("query"), at)
		}, r.Context())
	})
	http.HandleFunc("/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		start, err := moment(r.FormValue("start"), time.Time{})
		end, err2 := moment(r.FormValue("end"), time.Now())
		step, err3 := strconv.ParseFloat(r.FormValue("step"), 64)
		tell(w, errors.Join(err, err2, err3), func() (promql.Query, error) {
			return engine.NewRangeQuery(r.Context(), all, nil, r.FormValue("query"), start, end, time.Duration(step*float64(time.Second)))
		}, r.Context())
	})
	log.Printf("listening on %s", *address)
	log.Fatal(http.ListenAndServe(*address, nil))
}

func moment(text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(seconds * 1000)), nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

func tell(w http.ResponseWriter, bad error, make func() (promql.Query, error), ctx context.Context) {
	w.Header().Set("Content-Type", "application/json")
	refuse := func(status int, kind string, err error) {
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(map[string]string{"status": "error", "errorType": kind, "error": err.Error()})
	}
	if bad != nil {
		refuse(http.StatusBadRequest, "bad_data", bad)
		return
	}
	query, err := make()
	if err != nil {
		refuse(http.StatusBadRequest, "bad_data", err)
		return
	}
	defer query.Close()
	result := query.Exec(ctx)
	if result.Err != nil {
		refuse(http.StatusUnprocessableEntity, "execution", result.Err)
		return
	}
	json.NewEncoder(w).Encode(map[string]any{
		"status": "success", "data": map[string]any{"resultType": result.Value.Type(), "result": result.Value},
	})
}

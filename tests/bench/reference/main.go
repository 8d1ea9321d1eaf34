// reference: what a good Go programmer writes in an afternoon instead of ingest, with net/http and franz-go.
//
// It answers 200 once every event of a request is acknowledged by all replicas in sync. No credentials, no limits, no
// rejected events, no metrics: less work than ingest does, so that a comparison flatters it. Each request is decoded
// once to find type and messageId; the elements of a batch stay the bytes that were sent.
package main

import (
	"encoding/json"
	"flag"
	"io"
	"log"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type call struct {
	Type      string            `json:"type"`
	MessageID string            `json:"messageId"`
	Batch     []json.RawMessage `json:"batch"`
}

var success = []byte(`{"success":true}`)

type server struct {
	kafka  *kgo.Client
	prefix string
}

// records makes one record for each event of a body.
func (s *server) records(body []byte) ([]*kgo.Record, error) {
	var outer call
	if err := json.Unmarshal(body, &outer); err != nil {
		return nil, err
	}
	if outer.Batch == nil {
		return []*kgo.Record{s.record(outer, body)}, nil
	}
	records := make([]*kgo.Record, 0, len(outer.Batch))
	for _, element := range outer.Batch {
		var event call
		if err := json.Unmarshal(element, &event); err != nil {
			return nil, err
		}
		records = append(records, s.record(event, element))
	}
	return records, nil
}

func (s *server) record(event call, value []byte) *kgo.Record {
	return &kgo.Record{Topic: s.prefix + "." + event.Type, Key: []byte(event.MessageID), Value: value}
}

// publish waits until all are acknowledged, or one has failed for good.
func (s *server) publish(r *http.Request, records []*kgo.Record) error {
	var wait sync.WaitGroup
	var failure atomic.Value
	wait.Add(len(records))
	for _, record := range records {
		s.kafka.Produce(r.Context(), record, func(_ *kgo.Record, err error) {
			if err != nil {
				failure.Store(err)
			}
			wait.Done()
		})
	}
	wait.Wait()
	err, _ := failure.Load().(error)
	return err
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	records, err := s.records(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := s.publish(r, records); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(success)
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8080", "where events come")
	brokers := flag.String("brokers", "127.0.0.1:9092", "Kafka")
	prefix := flag.String("prefix", "segment", "of the topics")
	flag.Parse()
	kafka, err := kgo.NewClient(kgo.SeedBrokers(*brokers), kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.ProducerLinger(time.Millisecond), kgo.ProducerBatchCompression(kgo.Lz4Compression()),
		kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchMaxBytes(1<<20))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal((&http.Server{Addr: *listen, Handler: &server{kafka, *prefix}}).ListenAndServe())
}

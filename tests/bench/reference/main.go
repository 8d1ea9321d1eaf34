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

// sending is the records of one request: each is sent as soon as it is known, all are waited for.
type sending struct {
	server  *server
	request *http.Request
	wait    sync.WaitGroup
	failure atomic.Value
}

func (s *sending) send(event call, value []byte) {
	s.wait.Add(1)
	record := &kgo.Record{Topic: s.server.prefix + "." + event.Type, Key: []byte(event.MessageID), Value: value}
	s.server.kafka.Produce(s.request.Context(), record, func(_ *kgo.Record, err error) {
		if err != nil {
			s.failure.Store(err)
		}
		s.wait.Done()
	})
}

// sendAll sends a body's events; an element that is no event ends it.
func (s *sending) sendAll(body []byte) error {
	var outer call
	if err := json.Unmarshal(body, &outer); err != nil {
		return err
	}
	if outer.Batch == nil {
		s.send(outer, body)
	}
	for _, element := range outer.Batch {
		var event call
		if err := json.Unmarshal(element, &event); err != nil {
			return err
		}
		s.send(event, element)
	}
	return nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := make([]byte, max(r.ContentLength, 0)) // what the generator sends always says its length
	_, err := io.ReadFull(r.Body, body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	sent := sending{server: s, request: r}
	err = sent.sendAll(body)
	sent.wait.Wait()
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if failure := sent.failure.Load(); failure != nil {
		http.Error(w, failure.(error).Error(), http.StatusServiceUnavailable)
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
		kgo.MaxBufferedRecords(100_000), kgo.ProducerBatchMaxBytes(4<<20))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal((&http.Server{Addr: *listen, Handler: &server{kafka, *prefix}}).ListenAndServe())
}

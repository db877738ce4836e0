// Judges which way we go, and as whom, by client-go: each task's kubeconfigs are read by tools/clientcmd and one GET is
// sent by rest's transport, every connection of which ends in this program itself. That end (peer) plays whatever is
// spoken to it (an HTTP or SOCKS5 proxy, TLS in any depth, the API server) and notes what it saw. Over a loopback port it
// plays the same for the one who is judged.
//
// Reads lines of JSON from standard input and answers each with one line: {"judge": task} with what was seen of client-go;
// {"play": task} to have the next connections to the port be that task's, {"seen": {}} for what was seen of them.
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"sort"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/http/httpproxy"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

type task struct {
	File        string            `json:"file"`    // a kubeconfig that was named
	Context     string            `json:"context"` // "" for the current one
	Environment map[string]string `json:"environment"`
	Certificate string            `json:"certificate"` // PEM of the server's chain and key; "" for one of nobody's
	Proxy       string            `json:"proxy"`       // the same of an https:// proxy
}

// What one GET was seen to be.
type seen struct {
	Error   string              `json:"error,omitempty"`
	Dialled string              `json:"dialled,omitempty"`
	Way     []string            `json:"way,omitempty"` // tls, connect host:port, socks5 host:port, in their order
	Names   []string            `json:"names,omitempty"`
	Client  bool                `json:"client,omitempty"` // with a certificate
	Target  string              `json:"target,omitempty"`
	Headers map[string][]string `json:"headers,omitempty"`
}

var (
	mutex   sync.Mutex
	current seen
	playing task
	nobody  tls.Certificate
	there   net.Addr // of the port
)

func note(change func(*seen)) {
	mutex.Lock()
	defer mutex.Unlock()
	change(&current)
}

// A connection some of whose bytes were looked at already.
type peeked struct {
	net.Conn
	reader *bufio.Reader
}

func (p peeked) Read(data []byte) (int, error) { return p.reader.Read(data) }

// Plays the other end of a connection, of the server itself where it comes through a tunnel.
func peer(raw net.Conn, tunnelled bool) {
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(10 * time.Second))
	connection := peeked{raw, bufio.NewReader(raw)}
	first, err := connection.reader.Peek(1)
	if err != nil {
		return
	}
	switch {
	case first[0] == 0x16:
		pem := playing.Certificate
		if playing.Proxy != "" && !tunnelled {
			pem = playing.Proxy
		}
		certificate := nobody
		if pem != "" {
			if certificate, err = tls.X509KeyPair([]byte(pem), []byte(pem)); err != nil {
				panic(err)
			}
		}
		layer := tls.Server(connection, &tls.Config{
			Certificates: []tls.Certificate{certificate},
			ClientAuth:   tls.RequestClientCert,
			GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
				note(func(s *seen) { s.Way = append(s.Way, "tls"); s.Names = append(s.Names, hello.ServerName) })
				return nil, nil
			},
		})
		if layer.Handshake() != nil {
			return
		}
		if len(layer.ConnectionState().PeerCertificates) > 0 {
			note(func(s *seen) { s.Client = true })
		}
		peer(layer, tunnelled)
	case first[0] == 5:
		target, err := socks(connection)
		if err != nil {
			return
		}
		note(func(s *seen) { s.Way = append(s.Way, "socks5 "+target) })
		peer(connection, true)
	default:
		request, err := http.ReadRequest(connection.reader)
		if err != nil {
			return
		}
		headers := map[string][]string{}
		for name, values := range request.Header {
			if name == "Authorization" || name == "Proxy-Authorization" || strings.HasPrefix(name, "Impersonate-") {
				sort.Strings(values)
				headers[name] = values
			}
		}
		if request.Method == http.MethodConnect {
			note(func(s *seen) { s.Way = append(s.Way, "connect "+request.Host); keep(s, headers) })
			fmt.Fprint(connection, "HTTP/1.1 200 OK\r\n\r\n")
			peer(connection, true)
			return
		}
		note(func(s *seen) { s.Target = request.Host + " " + request.RequestURI; keep(s, headers) })
		fmt.Fprint(connection, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
	}
}

func keep(s *seen, headers map[string][]string) {
	if s.Headers == nil {
		s.Headers = map[string][]string{}
	}
	for name, values := range headers {
		s.Headers[name] = values
	}
}

// The server's side of RFC 1928 and 1929, as far as CONNECT.
func socks(connection peeked) (string, error) {
	read := func(count int) []byte {
		data := make([]byte, count)
		if _, err := io.ReadFull(connection, data); err != nil {
			panic(err)
		}
		return data
	}
	methods := read(int(read(2)[1]))
	if bytes.IndexByte(methods, 2) >= 0 {
		connection.Write([]byte{5, 2})
		name := read(int(read(2)[1]))
		password := read(int(read(1)[0]))
		note(func(s *seen) { s.Way = append(s.Way, fmt.Sprintf("login %s:%s", name, password)) })
		connection.Write([]byte{1, 0})
	} else {
		connection.Write([]byte{5, 0})
	}
	var host string
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 4:
		host = net.IP(read(16)).String()
	default:
		host = string(read(int(read(1)[0])))
	}
	port := read(2)
	_, err := connection.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
	return net.JoinHostPort(host, fmt.Sprint(int(port[0])<<8+int(port[1]))), err
}

func judge(t task) (result seen) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy", "KUBECONFIG"} {
		os.Unsetenv(name)
	}
	for name, value := range t.Environment {
		os.Setenv(name, value)
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = t.File
	overrides := &clientcmd.ConfigOverrides{CurrentContext: t.Context}
	raw, err := rules.Load()
	if err != nil {
		return seen{Error: "load: " + err.Error()}
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(*raw, overrides.CurrentContext, overrides, rules).ClientConfig()
	if err != nil {
		return seen{Error: "config: " + err.Error()}
	}
	own := config.Proxy
	config.WrapTransport = func(inner http.RoundTripper) http.RoundTripper {
		transport := inner.(*http.Transport).Clone()
		transport.DisableKeepAlives = true
		transport.ForceAttemptHTTP2 = false
		transport.DialContext = func(_ context.Context, _, address string) (net.Conn, error) {
			note(func(s *seen) { s.Dialled = strings.ToLower(address) })
			return net.Dial("tcp", there.String())
		}
		if own == nil {
			// As the transport has it, but for http.ProxyFromEnvironment, which reads the environment once.
			transport.Proxy = utilnet.NewProxierWithNoProxyCIDR(func(request *http.Request) (*url.URL, error) {
				return httpproxy.FromEnvironment().ProxyFunc()(request.URL)
			})
		}
		return transport
	}
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return seen{Error: "transport: " + err.Error()}
	}
	client.Timeout = 10 * time.Second
	config.APIPath = "/"
	config.GroupVersion = &version
	config.NegotiatedSerializer = codecs
	rc, err := rest.RESTClientForConfigAndClient(config, client)
	if err != nil {
		return seen{Error: "client: " + err.Error()}
	}
	mutex.Lock()
	current, playing = seen{}, t
	mutex.Unlock()
	answer := rc.Get().MaxRetries(0).AbsPath("/version").Do(context.Background())
	mutex.Lock()
	defer mutex.Unlock()
	result = current
	if answer.Error() != nil && result.Target == "" {
		result = seen{Error: "request: " + answer.Error().Error()}
	}
	return
}

func main() {
	nobody = selfSigned()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	there = listener.Addr()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go peer(connection, false)
		}
	}()
	out := json.NewEncoder(os.Stdout)
	out.Encode(map[string]int{"port": listener.Addr().(*net.TCPAddr).Port})
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var command struct{ Judge, Play *task }
		if err := json.Unmarshal(lines.Bytes(), &command); err != nil {
			panic(err)
		}
		switch {
		case command.Judge != nil:
			out.Encode(judge(*command.Judge))
		case command.Play != nil:
			mutex.Lock()
			current, playing = seen{}, *command.Play
			mutex.Unlock()
			out.Encode(seen{})
		default:
			mutex.Lock()
			out.Encode(current)
			mutex.Unlock()
		}
	}
}

/* The parts of load: the run (load.c), what it counted (load_tally.c), connections (load_slot.c), one HTTP exchange
 * (load_exchange.c), a WebSocket (load_tunnel.c), and the modes (load_requests.c, load_sockets.c, load_hub.c). */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "http.h"
#include "net.h"

#define SECOND 1000000000u

/* --- what is asked for --- */

struct request {
    const char *text;
    size_t size;
    int64_t expect;               /* bytes of the answer's body; ANY_SIZE */
    char accept[ACCEPT_SIZE + 1]; /* what its Sec-WebSocket-Key must bring; "" = this is no upgrade */
};
enum { ANY_SIZE = -1 };

struct requests {
    struct request *all;
    unsigned count;
};

struct plan {
    const char *mode, *host, *ca, *server_name;
    uint16_t port;
    unsigned connections, parallel;
    double seconds, rate;
    uint64_t count;     /* 0 = as many as the seconds allow */
    uint64_t size;      /* of a message */
    uint64_t upload;    /* bytes behind each head */
    uint64_t read_rate; /* bytes a second */
    int64_t expect;
    double patience;    /* seconds without any progress before the run is given up */
    bool tls, resume, hold;
    struct requests requests, upgrades;
    SSL_CTX *context;
};
extern struct plan plan;
void read_requests(struct requests *requests, const char *path);

/* --- what happened --- */

struct tally {
    uint64_t operations, errors, bad_status, bad_length, bad_content, bytes_in, bytes_out;
    uint64_t requests, reconnects, resumed, unserved;
    uint64_t started, finished; /* ns */
    char first_error[256];
};
extern struct tally tally;
void record(uint64_t started, uint64_t ended);    /* one operation that went well */
void record_lateness(uint64_t due, uint64_t sent);
void note_error(const char *why);
void print_tally(void);

/* --- a connection --- */

struct answer {
    uint8_t stage;
    bool close, chunked, sized;
    int status;
    uint64_t left;   /* of a body with a length */
    uint64_t length; /* of the body so far */
    struct chunks chunks;
    char accept[ACCEPT_SIZE + 1];
    char text[24];   /* the body's beginning */
};

struct tunnel {
    bool inside;      /* a frame's head was read, its payload is under way */
    bool closing;
    bool spoiled;     /* the message under way is not what was sent */
    uint64_t sequence, taken, sent;
    struct frame frame;
    struct kept control; /* pongs and closes on their way out */
};

enum slot_stage { CLOSED, CONNECTING, SECURING, IDLE, EXCHANGING, TUNNELLED };

struct slot {
    struct link link;
    uint8_t stage;
    bool busy;      /* an operation is under way */
    bool spare;     /* rate: waits for a request to become due */
    bool paced;     /* reads only when its mode says so */
    unsigned index;
    unsigned turn;  /* which request is next */
    unsigned owner; /* hub: the browser */
    const struct role *role;
    uint64_t started;
    const struct request *request;
    uint64_t sent;  /* of the request and what is uploaded behind it */
    struct answer answer;
    struct kept input;
    struct tunnel tunnel;
    SSL_SESSION *session;
};

/* What a mode does when something happens to one of its slots. */
struct role {
    void (*opened)(struct slot *slot);             /* connected, TLS included */
    void (*answered)(struct slot *slot, bool right);
    void (*echoed)(struct slot *slot, bool right);
    void (*lost)(struct slot *slot, const char *why); /* the connection is gone already */
};

void slot_open(struct slot *slot);
void slot_close(struct slot *slot);
void slot_lost(struct slot *slot, const char *why);
void slot_event(struct slot *slot, uint32_t events);
bool lost_while_idle(const struct slot *slot, const char *why);

void prepare_exchanges(void);
void exchange_start(struct slot *slot, const struct request *request);
void exchange_write(struct slot *slot);
void exchange_read(struct slot *slot, size_t most);

void prepare_tunnels(void);
void tunnel_begin(struct slot *slot); /* behind the 101 */
void tunnel_send(struct slot *slot);  /* the next message */
void tunnel_leave(struct slot *slot); /* sends a Close; the end comes as `lost` with "closed" */
void tunnel_write(struct slot *slot);
void tunnel_read(struct slot *slot);
extern const char closed_as_asked[];

/* --- the run --- */

struct mode {
    const char *name;
    void (*prepare)(void);                  /* makes the slots */
    void (*begin)(void);                    /* all are open: the clock starts */
    void (*timer)(uint64_t now);            /* at the times asked for with wake_at */
    bool ends_itself;                       /* with end_run(), whatever --seconds says */
    unsigned opening;                       /* set by prepare: how many opened_one() to wait for */
    void (*open)(unsigned index);
};
extern struct mode http_mode, rate_mode, handshake_mode, slow_mode, websocket_mode, idle_mode, hub_mode;

enum phase { OPENING, HOLDING, RUNNING, OVER };
extern enum phase phase;
extern struct slot *slots;

void make_slots(unsigned count, const struct role *role);
void opened_one(bool well);
bool another(void);                        /* may one more operation begin? counts it */
void begin_operation(struct slot *slot, uint64_t started);
bool end_operation(struct slot *slot);     /* false = none was under way */
bool nothing_under_way(void);
void end_run(void);
void wake_at(uint64_t when);
const struct request *next_request(struct slot *slot, const struct requests *from);

#endif

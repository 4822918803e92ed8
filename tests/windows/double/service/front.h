/*
 * The side of the service that meets clients.
 *
 * Only double.h includes this.
 */
#ifndef FRONT_H
#define FRONT_H

typedef struct Opened Opened;

/* ---- server.c ---- */

extern WORD service_incarnation;
void service_stop(void);

/* ---- clients.c ---- */

/* Which client a call is made for; none on threads of the service's own. */
typedef struct Caller {
    UINT64 client;
    const void *subject; /* what the callback is about that makes the call, or NULL */
} Caller;

void caller_set(const Caller *caller); /* of this thread; NULL: none */
UINT64 caller_client(void);            /* 0: none */
const void *caller_subject(void);

typedef struct Client {
    struct Client *next;
    UINT64 id;
    DWORD pid;
    int references;
    HANDLE process;     /* NULL: it cannot be opened */
    Connection *events; /* NULL: not yet */
    SRWLOCK writing;
    struct Given *given; /* pipe ends */
    bool said_goodbye, gone;
} Client;

typedef struct Counts {
    UINT64 operations, systems, processes, strings, pipes;
} Counts;

void clients_begin(void);
Client *client_enter(DWORD pid, UINT64 *id);
Client *client_get(UINT64 id); /* with a reference; NULL: gone */
void client_release(Client *client);
void client_close_handles(const Client *client); /* what it has open */
void client_goodbye(Client *client, UINT64 strings);
void client_leave(Client *client);
bool clients_wait(DWORD milliseconds, bool present); /* until there is one, or none */
void word_clients(Text *text, Counts *total);
void word_left(Text *text);

/* ---- given.c ---- */

UINT64 give_handle(Client *client, HANDLE handle); /* closes ours; 0: the client is gone */
UINT64 given_pipes(Client *client); /* that it still has open */
void given_forget(Client *client);

/* ---- front.c ---- */

void serve_calls(Connection *connection, Client *client); /* as long as they come */

/* ---- deliveries.c ---- */

void tell_completion(UINT64 client, HCS_OPERATION_COMPLETION callback, HCS_OPERATION handle,
                     void *context);
void tell_event(const Opened *opened, HCS_EVENT_TYPE type, const WCHAR *data);
UINT64 ask_strings(UINT64 client);
void delivery_acknowledged(UINT64 number, UINT64 value);
const void *delivery_subject(UINT64 number); /* NULL: none is under way */

/* ---- control.c ---- */

void serve_control(Connection *connection);
int control_main(int argc, WCHAR **argv);

#endif

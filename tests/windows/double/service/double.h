/*
 * The service behind the test double of computecore.dll: what its parts know of each other.
 *
 * It stands in for the Host Compute Service, not for Windows: compute systems are in memory, but
 * processes, pipes, consoles and threads are real. As that, it is a process of its own. Whoever loads
 * the DLL is a client; a client that dies takes its handles with it, and systems and processes go on.
 *
 *   server.c      the program: the pipe, the life of the service
 *   front.c       calls of clients: decoded, made, answered
 *   clients.c     who they are, what they leave
 *   deliveries.c  callbacks of clients
 *   given.c       pipe ends of clients
 *   control.c     what a test asks of the service
 *   handles.c     slots with generations: HCS_OPERATION, HCS_SYSTEM, HCS_PROCESS are such numbers
 *   operation.c   the life of an operation, and the exports about operations
 *   events.c      event callbacks of a handle: delivery, and the close that drains them
 *   system.c      compute systems: which there are, their handles and events
 *   lifecycle.c   from the creation of a system to its end
 *   properties.c  what a system tells of itself and of what runs in it
 *   job.c         the processes of a system as a whole: ended, suspended, resumed
 *   process.c     processes and their exports
 *   spawn.c       pipes, environment, console and the start of a real process
 *   console.c     what a pseudo console of Wine 8 lacks
 *   documents.c   the JSON documents of HCS about processes: what is accepted, how answers are
 *                 worded
 *   configuration.c  ... and those about systems
 *   json.c        a strict JSON reader
 *   text.c        wide text that grows, and the strings that callers free
 *   faults.c      faults on command
 *   service.c     the service's own exports, and those that only answer "not supported"
 *
 * The exports are called by front.c, for a client; what they are given of its memory are copies.
 * One lock guards all objects. It is never held while a callback runs, a process starts or somebody
 * waits. Memory that runs out ends the process: this is a test.
 */
#ifndef DOUBLE_H
#define DOUBLE_H

#include "../protocol/wire.h"

#include "../protocol/exports.h"

/* Codes that mingw's headers lack. */
#define DOUBLE_HR(code) ((HRESULT)(code))
#define HR_INVALID_STATE DOUBLE_HR(0x80370105)
#define HR_TERMINATED DOUBLE_HR(0x80370107)
#define HR_INVALID_JSON DOUBLE_HR(0x8037010D)
#define HR_SYSTEM_NOT_FOUND DOUBLE_HR(0x8037010E)
#define HR_SYSTEM_ALREADY_EXISTS DOUBLE_HR(0x8037010F)
#define HR_SYSTEM_ALREADY_STOPPED DOUBLE_HR(0x80370110)
#define HR_OPERATION_NOT_STARTED DOUBLE_HR(0x80370115)
#define HR_OPERATION_ALREADY_STARTED DOUBLE_HR(0x80370116)
#define HR_OPERATION_PENDING DOUBLE_HR(0x80370117)
#define HR_OPERATION_TIMEOUT DOUBLE_HR(0x80370118)
#define HR_CALLBACK_ALREADY_SET DOUBLE_HR(0x80370119)
#define HR_PROCESS_INFO_NOT_AVAILABLE DOUBLE_HR(0x8037011D)
#define HR_SERVICE_DISCONNECT DOUBLE_HR(0x8037011E)
#define HR_PROCESS_ALREADY_STOPPED DOUBLE_HR(0x8037011F)
#define HR_NOT_SUPPORTED HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED)
#define HR_NOT_FOUND HRESULT_FROM_WIN32(ERROR_NOT_FOUND)
#define HR_SERVER_UNAVAILABLE HRESULT_FROM_WIN32(RPC_S_SERVER_UNAVAILABLE)

#define CTRL_C_EXIT 0xC000013A /* STATUS_CONTROL_C_EXIT */

/* ---- memory and the lock ---- */

extern CRITICAL_SECTION double_lock;
extern CONDITION_VARIABLE double_changed; /* something that somebody may wait for */
void lock(void);
void unlock(void);

/* ---- text.c ---- */

typedef struct Text {
    WCHAR *units; /* NUL-terminated; NULL while empty */
    size_t length;
    size_t room;
} Text;

void text_add(Text *text, const WCHAR *more);
void text_add_format(Text *text, const char *format, ...) __attribute__((format(gnu_printf, 2, 3)));
void text_add_json(Text *text, const WCHAR *value); /* as a JSON string, in quotes */

PWSTR give_text(const WCHAR *text); /* for a client; NULL gives NULL */

/* ---- how things fail ---- */

/* A code with its reason. Whoever makes one clears it with `failure_clear`. */
typedef struct Failure {
    HRESULT code; /* S_OK: none */
    bool no_document;
    WCHAR *message;
} Failure;

HRESULT fail(Failure *failure, HRESULT code, const char *format, ...)
    __attribute__((format(gnu_printf, 3, 4)));
void failure_clear(Failure *failure);
WCHAR *result_error(const Failure *failure); /* the ResultError document, or NULL */

#include "documents.h"

#include "front.h"

/* ---- handles.c ---- */

typedef enum HandleKind {
    OPERATION_HANDLE = 1,
    SYSTEM_HANDLE,
    PROCESS_HANDLE,
    HANDLE_KINDS
} HandleKind;

void *handle_add(HandleKind kind, void *object);
void *handle_get(HandleKind kind, const void *handle); /* NULL: not open */
void *handle_remove(HandleKind kind, const void *handle);
UINT64 handle_count(HandleKind kind); /* of the client that calls, or of all */
void *handle_first(HandleKind kind);  /* of the client that calls; NULL: it has none */
void handle_each(HandleKind kind, void (*visit)(void *object, void *argument), void *argument);

/* ---- events.c ---- */

/* An open handle to a system or a process. */
struct Opened {
    void *target;
    struct Opened *next; /* of the handles to one target */
    UINT64 client;
    void *handle;
    HCS_EVENT_CALLBACK callback; /* in the client; likewise its context */
    void *context;
    int references; /* the handle itself, and each delivery under way */
    int running;    /* callbacks under way */
    bool closed;
    bool dead; /* the service went away: only closing it is possible */
};

Opened *opened_new(void *target, Opened **list); /* lock held */
HRESULT opened_set_callback(Opened *opened, HCS_EVENT_OPTIONS options, const void *context,
                            HCS_EVENT_CALLBACK callback);
/* Lock held; it is given up while callbacks under way are waited for. */
void opened_close(Opened *opened, Opened **list);
void deliver(Opened **list, HCS_EVENT_TYPE type, const WCHAR *data); /* lock not held */

/* ---- systems and processes ---- */

typedef struct System System;
typedef struct Process Process;

typedef enum ProcessState {
    STARTING,
    RUNNING,
    EXITED,
    FAILED
} ProcessState;

/* The service's side of a started process. NULL is none. */
typedef struct Stdio {
    HANDLE ours[3];       /* what the caller gets: once */
    HANDLE service_stdin; /* our copy of it */
    HPCON console;
    bool keep_pipes; /* the ends of output stay open beyond the process, until a reset */
    bool reissue;    /* `ours` stay with the service, and every caller gets duplicates */
} Stdio;

struct Process {
    System *system;
    Process *next;
    Opened *handles;
    int references; /* handles, the operation that fetches it, the watch on its end */
    ProcessState state;
    DWORD pid, exit_code;
    HANDLE process, watch;
    Stdio stdio;
    bool terminated, interrupted;
    bool told; /* its end was delivered to whoever listens */
};

/* See lifecycle.c. The order is that of the columns of its table. */
typedef enum SystemState {
    SYSTEM_CREATING,
    SYSTEM_CREATED,
    SYSTEM_RUNNING,
    SYSTEM_PAUSED,
    SYSTEM_ENDING,
    SYSTEM_STOPPED
} SystemState;

typedef enum SystemExit {
    EXIT_GRACEFUL,
    EXIT_FORCED
} SystemExit;

struct System {
    System *next; /* of those that are listed */
    Opened *handles;
    Process *processes; /* that run */
    int references;     /* the list, handles, processes, work under way */
    int untold;         /* processes whose end has not been delivered, or has not come */
    SystemState state, shown;
    SystemExit exit; /* once it is ending */
    Configuration asked;
    WCHAR *id;
    WCHAR runtime_id[37];
    HANDLE job; /* has its processes; NULL before the first of them */
};

extern System *systems;

/* ---- faults.c ---- */

/* What a rule of the script does to one call, operation or event. */
typedef struct Fault {
    bool found;
    HRESULT start, complete; /* S_OK: does not fail there */
    HRESULT returns;         /* of a call that has started an operation */
    bool inline_completion, never, lost, silent, after, no_document, disconnect;
    bool exit_first; /* of HcsCreateProcess: it completes after the process has ended */
    bool keep_pipes, reissue; /* of HcsCreateProcess; see Stdio */
    DWORD delay_ms, block_ms;
    int event_count; /* of an event: how often it is delivered */
    bool event_null, event_malformed, wait_failed, system_first;
    bool document_null;
    WCHAR *message, *document, *find, *put;
    unsigned epoch; /* of the script that it comes from: a reset begins the next */
} Fault;

Fault fault_take(const char *function);
void fault_clear(Fault *fault);
void fault_edit(const Fault *fault, WCHAR **document); /* what a document becomes; it may be NULL */
bool fault_holds(const Fault *fault); /* lock held; false: HcsdDoubleReset came since */
bool fault_wait(DWORD milliseconds); /* false: HcsdDoubleReset ended it */
UINT64 faults_waiting(void);

/* ---- operation.c ---- */

/* What the work of an operation answers; the operation takes both over. */
typedef struct Answer {
    WCHAR *document;
    Process *process; /* to give process information of, with a reference */
} Answer;

/* On a thread of the pool, without the lock. A failure replaces the answer. */
typedef void (*Work)(void *argument, Answer *answer, Failure *failure);

/*
 * One call that starts an operation:
 *
 *   kickoff_begin, the checks of the export, kickoff_end
 *
 * The checks leave their verdict in `failure` and what is to be done in `work`. `argument` belongs
 * to the kickoff then, and `discard` frees it after the work, or instead of it.
 */
typedef struct Kickoff {
    const char *function;
    HCS_OPERATION operation;
    HCS_OPERATION_TYPE type;
    HCS_SYSTEM system;
    HCS_PROCESS process;
    Work work;
    void *argument;
    void (*discard)(void *argument);
    Failure failure;
    Fault fault;
} Kickoff;

bool kickoff_begin(Kickoff *kickoff, HRESULT *result); /* false: return that result */
HRESULT kickoff_end(Kickoff *kickoff);
void operations_disconnect(bool stuck_only);
void operations_abandon(UINT64 client); /* it is gone: nobody waits for its operations */

/* ---- process.c ---- */

void process_retain(Process *process);                                           /* lock held */
void process_release(Process *process);                                          /* lock held */
void process_take_stdio(Process *process, HCS_PROCESS_INFORMATION *information); /* lock held */
void process_ended(Process *process); /* lock not held; gives up the reference of the watch */
Opened *process_opened(HCS_PROCESS handle, Failure *failure); /* lock held */

/* ---- system.c; all but the last three with the lock held ---- */

System *system_new(const WCHAR *id, Configuration *configuration); /* takes that over */
void system_retain(System *system);
void system_release(System *system);
bool system_list(System *system); /* false: its id is in use */
void system_unlist(System *system);
HCS_SYSTEM system_handle(System *system); /* one more */
Opened *system_opened(HCS_SYSTEM handle, Failure *failure);
Process **system_processes(System *system); /* each with a reference; NULL ends them */
void system_discard(void *system); /* gives up the reference of a kickoff */
UINT64 live_systems(void);         /* of those that were created */
void disconnect(void);             /* the service goes away, and is back at once */

/* ---- lifecycle.c ---- */

typedef enum Call {
    CALL_START,
    CALL_CREATE_PROCESS,
    CALL_SHUT_DOWN,
    CALL_TERMINATE,
    CALL_PAUSE,
    CALL_RESUME,
    CALL_SAVE,
    CALL_MODIFY,
    CALL_QUERY,
    CALL_MEASURE, /* what runs in it */
    CALLS
} Call;

bool is_legal(Call call, const System *system, Failure *failure); /* lock held */
void system_closed(System *system); /* lock held: a handle was closed */
void system_settle(System *system); /* lock not held: its end is told once nothing of it is left */

/* ---- job.c; the lock held ---- */

void job_add(System *system, HANDLE process);
void job_kill(System *system);
void job_close(System *system); /* with whatever is left in it */
void job_suspend(System *system);
void job_resume(System *system);

void word_status(Text *text, const Process *process); /* documents.c */

/* ---- spawn.c ---- */

#define INTERRUPT_MS 5000 /* how long handlers of a control event may take; as Windows grants */

HRESULT spawn(Process *process, const Launch *launch, Failure *failure);
HRESULT interrupt(Process *process, DWORD event);
void stdio_give(Stdio *stdio, HANDLE given[3]); /* the caller owns them; lock held */
void stdio_close_stdin(Stdio *stdio);           /* as far as the service holds it; lock held */
void stdio_close_untaken(Stdio *stdio);
void stdio_close_service(Stdio *stdio);
void stdio_close_kept(void); /* ends of output that were kept open */
UINT64 live_pipes(void);
UINT64 repeated_starts(void);

/* ---- console.c ---- */

bool console_handles(HPCON console, HANDLE *input, HANDLE *output); /* for a process to inherit */
bool console_resize(HPCON console, COORD size);
void console_close(HPCON console); /* does not wait for it */

#endif

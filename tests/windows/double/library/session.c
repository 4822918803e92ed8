/*
 * The service that we talk to.
 *
 *   NONE ──a call: started, or found by its name──▶ OPEN ──a connection breaks──▶ LOST
 *                                                    ▲                             │
 *                                                    └─── a call finds one again ──┘
 *
 * With HCSD_DOUBLE_SERVICE=NAME in the environment that service is used, and started if there is
 * none. Otherwise one is started for this process alone, and ends with it. A service that was lost
 * is not started again, as Windows does not start its own for a caller: until somebody has, calls
 * answer that it is not there.
 *
 * Each call under way has a connection of its own, so that those that block do not hold up others.
 */
#include "library.h"

#include <stdio.h>
#include <wchar.h>

#define PROGRAM L"hcsd-double.exe"
#define NAME_UNITS 128
#define START_MS 60000 /* a start takes 0.1 s, and much longer on a machine with much else to do */

static SRWLOCK opening = SRWLOCK_INIT; /* held while a session is looked for */
static Session *sessions;              /* the newest first */
static WCHAR service_name[NAME_UNITS]; /* "" before the first call */
static bool begun, private;

static void choose_name(void)
{
    if (service_name[0])
        return;
    if (GetEnvironmentVariableW(L"HCSD_DOUBLE_SERVICE", service_name, NAME_UNITS) &&
        service_name[0])
        return;
    private = true;
    _snwprintf(service_name, NAME_UNITS, L"private-%lu-%I64x-%p", GetCurrentProcessId(),
               GetTickCount64(), (void *)library_module);
}

/* Start the service, and return when it can be connected to or has failed. */
static void start(void)
{
    WCHAR program[MAX_PATH], command[MAX_PATH + 2 * NAME_UNITS], ready[NAME_UNITS];
    STARTUPINFOW info = {.cb = sizeof(info)};
    PROCESS_INFORMATION made;
    HANDLE waited[2];

    GetModuleFileNameW(library_module, program, MAX_PATH);
    wcscpy(wcsrchr(program, L'\\') + 1, PROGRAM);
    _snwprintf(ready, NAME_UNITS, L"hcsd-double-ready-%lu-%p", GetCurrentProcessId(),
               (void *)library_module);
    _snwprintf(command, ARRAYSIZE(command), L"\"%ls\" serve \"%ls\" %ls %ls", program, service_name,
               private ? L"private" : L"named", ready);
    waited[0] = CreateEventW(NULL, TRUE, FALSE, ready);
    if (CreateProcessW(program, command, NULL, NULL, FALSE, DETACHED_PROCESS, NULL, NULL, &info,
                       &made)) {
        waited[1] = made.hProcess;
        WaitForMultipleObjects(2, waited, FALSE, START_MS);
        CloseHandle(made.hProcess);
        CloseHandle(made.hThread);
    }
    CloseHandle(waited[0]);
}

/* Open a connection and say what it is for. */
static Connection *open(Purpose purpose, uint64_t subject)
{
    Connection *connection = service_connect(service_name);
    Message hello = {0};

    if (!connection)
        return NULL;
    message_begin(&hello);
    put_number(&hello, purpose);
    put_number(&hello, subject);
    if (!message_send(connection->pipe, &hello)) {
        connection_free(connection);
        connection = NULL;
    }
    message_clear(&hello);
    return connection;
}

static Session *join(void)
{
    Session *session;
    Message answer = {0};
    Connection *life = open(FOR_LIFE, GetCurrentProcessId()), *events = NULL;
    HANDLE thread;

    if (!life)
        return NULL;
    session = allocate(sizeof(*session));
    session->life = life;
    if (message_receive(life, &answer)) {
        session->client = take_number(&answer);
        session->incarnation = (unsigned)take_number(&answer);
        events = session->events = open(FOR_EVENTS, session->client);
    }
    if (!events || !message_receive(events, &answer)) {
        connection_free(events);
        connection_free(life);
        release(session);
        session = NULL;
    }
    message_clear(&answer);
    if (!session)
        return NULL;
    thread = CreateThread(NULL, 0, receive_events, session, 0, NULL);
    if (thread)
        CloseHandle(thread);
    return session;
}

Session *session_get(void)
{
    Session *session;

    AcquireSRWLockExclusive(&opening);
    session = sessions;
    if (!session || session->lost) {
        choose_name();
        session = join();
        if (!session && !begun) {
            start();
            session = join();
        }
        begun = true;
        if (session) {
            lock();
            session->next = sessions;
            sessions = session;
            unlock();
        }
    }
    ReleaseSRWLockExclusive(&opening);
    return session;
}

Session *session_of(uint64_t handle)
{
    unsigned tag = (unsigned)(handle >> HANDLE_TAG_SHIFT);
    Session *session = sessions;

    if ((tag & HANDLE_TAG) == 0)
        return NULL;
    while (session && session->incarnation != ((handle >> HANDLE_INCARNATION_SHIFT) & UINT16_MAX))
        session = session->next;
    return session;
}

Connection *session_take(Session *session)
{
    Connection *connection;

    lock();
    connection = session->idle;
    if (connection)
        session->idle = connection->next;
    unlock();
    if (!connection && !session->lost)
        connection = open(FOR_CALLS, session->client);
    if (!connection)
        session_lost(session);
    return connection;
}

void session_give(Session *session, Connection *connection)
{
    lock();
    connection->next = session->idle;
    session->idle = connection;
    unlock();
}

/* Its events are read to their end by the thread that reads them. */
void session_lost(Session *session)
{
    lock();
    if (!session->lost)
        CloseHandle(session->life->pipe); /* for a service that is there: it has lost us */
    session->lost = true;
    unlock();
}

void session_goodbye(void)
{
    Message message = {0};

    if (!sessions || sessions->lost)
        return;
    message_begin(&message);
    put_number(&message, live_strings_at_exit());
    if (message_send(sessions->life->pipe, &message))
        message_receive(sessions->life, &message); /* our handles are counted until it comes */
}

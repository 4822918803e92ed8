/*
 * The program.
 *
 *   hcsd-double serve NAME [private|named] [EVENT]
 *   hcsd-double VERB NAME [ARGUMENT]                 see control.c
 *
 *   STARTING ──its pipe is there, and EVENT is set──▶ SERVING ──▶ ended
 *
 * Without EVENT it writes "ready" to its standard output. A private service ends with its client, or
 * if none comes. A named one ends when it is told to, and after ten minutes without a client, so that
 * a test run that was cut short leaves nothing. Of two that are started under one name, the second
 * ends at once.
 *
 * With the service end all processes that it has started, see job.c.
 */
#include "double.h"

#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

#define FIRST_MS 60000 /* until the client of a private service comes */
#define ALONE_MS 600000
#define STACK_BYTES (256 * 1024)
#define PIPE_BYTES 65536

WORD service_incarnation;
static WCHAR path[MAX_PATH];

void service_stop(void)
{
    TerminateProcess(GetCurrentProcess(), 0); /* whatever its threads are at */
}

/* ---- connections ---- */

static bool answer(const Connection *connection, UINT64 first, UINT64 second)
{
    Message message = {0};
    bool sent;

    message_begin(&message);
    put_number(&message, first);
    put_number(&message, second);
    sent = message_send(connection->pipe, &message);
    message_clear(&message);
    return sent;
}

/* As long as the client lives. */
static void serve_life(Connection *connection, DWORD pid)
{
    UINT64 id;
    Client *client = client_enter(pid, &id);
    Message message = {0};

    if (answer(connection, id, service_incarnation))
        while (message_receive(connection, &message)) {
            client_goodbye(client, take_number(&message));
            answer(connection, 0, 0);
        }
    message_clear(&message);
    client_leave(client);
}

/* The client owns the connection from then on. */
static bool serve_events(Connection *connection, UINT64 id)
{
    Client *client = client_get(id);

    if (!client)
        return false;
    answer(connection, 0, 0);
    lock();
    client->events = connection;
    WakeAllConditionVariable(&double_changed);
    unlock();
    client_release(client);
    return true;
}

static DWORD WINAPI serve(void *pipe)
{
    Connection *connection = connection_new(pipe);
    Message hello = {0};
    UINT64 purpose = 0, subject = 0;
    Client *client;

    if (message_receive(connection, &hello)) {
        purpose = take_number(&hello);
        subject = take_number(&hello);
    }
    message_clear(&hello);
    if (purpose == FOR_LIFE) {
        serve_life(connection, (DWORD)subject);
    } else if (purpose == FOR_EVENTS) {
        if (serve_events(connection, subject))
            return 0;
    } else if (purpose == FOR_CALLS) {
        client = client_get(subject);
        if (client) {
            serve_calls(connection, client);
            client_release(client);
        }
    } else if (purpose == FOR_CONTROL) {
        serve_control(connection);
    }
    connection_free(connection);
    return 0;
}

/* One end for one connection. There is always one that listens, or the name would be gone. */
static HANDLE listen(DWORD first)
{
    return CreateNamedPipeW(path, PIPE_ACCESS_DUPLEX | first, PIPE_TYPE_BYTE | PIPE_WAIT,
                            PIPE_UNLIMITED_INSTANCES, PIPE_BYTES, PIPE_BYTES, 0, NULL);
}

static DWORD WINAPI accept(void *pipe)
{
    for (;;) {
        HANDLE thread, next;
        bool connected = ConnectNamedPipe(pipe, NULL) || GetLastError() == ERROR_PIPE_CONNECTED;

        next = listen(0);
        if (next == INVALID_HANDLE_VALUE)
            abort();
        thread = connected ? CreateThread(NULL, STACK_BYTES, serve, pipe,
                                          STACK_SIZE_PARAM_IS_A_RESERVATION, NULL)
                           : NULL;
        if (thread)
            CloseHandle(thread);
        else
            CloseHandle(pipe);
        pipe = next;
    }
}

/* ---- the life of the service ---- */

static WORD new_incarnation(void)
{
    LARGE_INTEGER now;

    QueryPerformanceCounter(&now);
    return (WORD)(now.QuadPart ^ now.QuadPart >> 16 ^ GetCurrentProcessId() << 3);
}

static void tell_ready(const WCHAR *event)
{
    HANDLE ready = event ? OpenEventW(EVENT_MODIFY_STATE, FALSE, event) : NULL;

    if (ready) {
        SetEvent(ready);
        CloseHandle(ready);
    } else {
        printf("ready\n");
        fflush(stdout);
    }
}

static int serve_all(const WCHAR *name, bool private, const WCHAR *event)
{
    HANDLE pipe, thread;

    InitializeCriticalSection(&double_lock);
    clients_begin();
    service_incarnation = new_incarnation();
    service_pipe(path, name);
    pipe = listen(FILE_FLAG_FIRST_PIPE_INSTANCE);
    if (pipe == INVALID_HANDLE_VALUE)
        return 3; /* somebody else serves that name */
    thread = CreateThread(NULL, STACK_BYTES, accept, pipe, STACK_SIZE_PARAM_IS_A_RESERVATION, NULL);
    if (!thread)
        return 4;
    CloseHandle(thread);
    tell_ready(event);
    if (private) {
        clients_wait(FIRST_MS, true);
        clients_wait(INFINITE, false);
    } else {
        while (clients_wait(ALONE_MS, true))
            clients_wait(INFINITE, false);
    }
    service_stop();
    return 0;
}

int wmain(int argc, WCHAR **argv)
{
    if (argc >= 3 && wcscmp(argv[1], L"serve") == 0)
        return serve_all(argv[2], argc > 3 && wcscmp(argv[3], L"private") == 0,
                         argc > 4 ? argv[4] : NULL);
    return control_main(argc, argv);
}

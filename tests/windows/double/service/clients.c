/*
 * Clients: the processes that loaded the DLL.
 *
 *   HERE ──goodbye──▶ HERE, counted ──its connection breaks──▶ GONE
 *     └──────────────it is killed: its connection breaks──────▶ GONE
 *
 * When a client is gone its handles are closed as it would have closed them, what waits for one of
 * its callbacks goes on, and nobody is told of its operations any more. Systems and processes stay,
 * but for a system that ends with its last handle.
 *
 * What a client had open is counted at its goodbye, or when it was found dead.
 */
#include "double.h"

#include <string.h>

#define REMEMBERED 64 /* clients that have left; arbitrary */

typedef struct Left {
    DWORD pid;
    bool orderly;
    Counts counts;
} Left;

static Client *clients;
static UINT64 last_id, left_count;
static Left left[REMEMBERED];
static DWORD caller_key;

void clients_begin(void)
{
    caller_key = TlsAlloc();
}

void caller_set(const Caller *caller)
{
    TlsSetValue(caller_key, (void *)caller);
}

UINT64 caller_client(void)
{
    const Caller *caller = TlsGetValue(caller_key);

    return caller ? caller->client : 0;
}

const void *caller_subject(void)
{
    const Caller *caller = TlsGetValue(caller_key);

    return caller ? caller->subject : NULL;
}

Client *client_enter(DWORD pid, UINT64 *id)
{
    Client *client = allocate(sizeof(*client));

    client->pid = pid;
    client->references = 1;
    client->process = OpenProcess(PROCESS_DUP_HANDLE, FALSE, pid);
    InitializeSRWLock(&client->writing);
    lock();
    *id = client->id = ++last_id;
    client->next = clients;
    clients = client;
    WakeAllConditionVariable(&double_changed);
    unlock();
    return client;
}

Client *client_get(UINT64 id)
{
    Client *client;

    lock();
    client = clients;
    while (client && client->id != id)
        client = client->next;
    if (client)
        client->references++;
    unlock();
    return client;
}

void client_release(Client *client)
{
    bool last;

    lock();
    last = --client->references == 0;
    unlock();
    if (!last)
        return;
    connection_free(client->events);
    given_forget(client);
    if (client->process)
        CloseHandle(client->process);
    release(client);
}

static void *first(HandleKind kind)
{
    void *handle;

    lock();
    handle = handle_first(kind);
    unlock();
    return handle;
}

void client_close_handles(const Client *client)
{
    Caller caller = {.client = client->id};
    void *handle;

    caller_set(&caller);
    operations_abandon(client->id);
    while ((handle = first(OPERATION_HANDLE)))
        HcsCloseOperation(handle);
    while ((handle = first(PROCESS_HANDLE)))
        HcsCloseProcess(handle);
    while ((handle = first(SYSTEM_HANDLE)))
        HcsCloseComputeSystem(handle);
    caller_set(NULL);
}

/* Note what a client has open as it leaves. */
static void note_left(Client *client, bool orderly, UINT64 strings)
{
    Caller caller = {.client = client->id};
    UINT64 pipes = given_pipes(client);
    Left *entry;

    caller_set(&caller);
    lock();
    entry = &left[left_count++ % REMEMBERED];
    memset(entry, 0, sizeof(*entry));
    entry->pid = client->pid;
    entry->orderly = orderly;
    entry->counts.operations = handle_count(OPERATION_HANDLE);
    entry->counts.systems = handle_count(SYSTEM_HANDLE);
    entry->counts.processes = handle_count(PROCESS_HANDLE);
    entry->counts.strings = strings;
    entry->counts.pipes = pipes;
    unlock();
    caller_set(NULL);
}

void client_goodbye(Client *client, UINT64 strings)
{
    note_left(client, true, strings);
    client->said_goodbye = true;
}

void client_leave(Client *client)
{
    Client **link = &clients;

    lock();
    client->gone = true;
    WakeAllConditionVariable(&double_changed);
    unlock();
    if (!client->said_goodbye)
        note_left(client, false, 0);
    client_close_handles(client);
    lock();
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    WakeAllConditionVariable(&double_changed);
    unlock();
    client_release(client);
}

bool clients_wait(DWORD milliseconds, bool present)
{
    ULONGLONG until = GetTickCount64() + milliseconds, now;
    bool reached;

    lock();
    while ((clients != NULL) != present && (now = GetTickCount64()) < until)
        SleepConditionVariableCS(&double_changed, &double_lock, (DWORD)(until - now));
    reached = (clients != NULL) == present;
    unlock();
    return reached;
}

/* ---- as JSON ---- */

static void word_counts(Text *text, const Counts *counts)
{
    text_add_format(text,
                    "\"operations\":%llu,\"systems\":%llu,\"processes\":%llu,\"strings\":%llu,"
                    "\"pipes\":%llu",
                    counts->operations, counts->systems, counts->processes, counts->strings,
                    counts->pipes);
}

/* Each client with what it holds now; `total` is added up. */
void word_clients(Text *text, Counts *total)
{
    UINT64 ids[REMEMBERED], count = 0, index;
    Client *client;

    lock();
    for (client = clients; client && count < REMEMBERED; client = client->next)
        ids[count++] = client->id;
    unlock();
    text_add(text, L"[");
    for (index = 0; index < count; index++) {
        Caller caller = {.client = ids[index]};
        Counts counts = {.strings = ask_strings(ids[index])};

        client = client_get(ids[index]);
        if (!client)
            continue;
        caller_set(&caller);
        lock();
        counts.operations = handle_count(OPERATION_HANDLE);
        counts.systems = handle_count(SYSTEM_HANDLE);
        counts.processes = handle_count(PROCESS_HANDLE);
        unlock();
        caller_set(NULL);
        counts.pipes = given_pipes(client);
        total->operations += counts.operations;
        total->systems += counts.systems;
        total->processes += counts.processes;
        total->strings += counts.strings;
        text_add_format(text, "%s{\"pid\":%lu,", text->units[text->length - 1] == L'[' ? "" : ",",
                        client->pid);
        word_counts(text, &counts);
        text_add(text, L"}");
        client_release(client);
    }
    text_add(text, L"]");
}

/* Those that have left, the last of them last. */
void word_left(Text *text)
{
    UINT64 index;

    text_add(text, L"[");
    lock();
    index = left_count > REMEMBERED ? left_count - REMEMBERED : 0;
    for (; index < left_count; index++) {
        const Left *entry = &left[index % REMEMBERED];

        text_add_format(text, "%s{\"pid\":%lu,\"orderly\":%s,",
                        text->units[text->length - 1] == L'[' ? "" : ",", entry->pid,
                        entry->orderly ? "true" : "false");
        word_counts(text, &entry->counts);
        text_add(text, L"}");
    }
    unlock();
    text_add(text, L"]");
}

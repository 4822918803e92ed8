/*
 * Messages, and the pipes that carry them.
 */
#include "wire.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define NO_TEXT UINT64_MAX
#define PIECE 4096
#define BUSY_MS 10000 /* until the service accepts; it does so at once */

/* ---- messages ---- */

static void put(Message *message, const void *bytes, size_t size)
{
    if (message->length + size > message->room) {
        size_t room = (message->length + size) * 2 + 64;
        unsigned char *grown = allocate(room);

        if (message->length)
            memcpy(grown, message->bytes, message->length);
        release(message->bytes);
        message->bytes = grown;
        message->room = room;
    }
    if (size)
        memcpy(message->bytes + message->length, bytes, size);
    message->length += size;
}

void message_begin(Message *message)
{
    uint32_t length = 0; /* not known yet */

    message->length = message->at = 0;
    put(message, &length, sizeof(length));
    message->at = sizeof(length);
}

void message_clear(Message *message)
{
    release(message->bytes);
    memset(message, 0, sizeof(*message));
}

void put_number(Message *message, uint64_t number)
{
    put(message, &number, sizeof(number));
}

void put_text(Message *message, const WCHAR *text)
{
    size_t length = text ? wcslen(text) : 0;

    put_number(message, text ? length : NO_TEXT);
    put(message, text, length * sizeof(WCHAR));
}

uint64_t take_number(Message *message)
{
    uint64_t number = 0;

    if (message->length - message->at >= sizeof(number)) {
        memcpy(&number, message->bytes + message->at, sizeof(number));
        message->at += sizeof(number);
    }
    return number;
}

WCHAR *take_text(Message *message)
{
    uint64_t length = take_number(message);
    WCHAR *text;

    if (length == NO_TEXT || length * sizeof(WCHAR) > message->length - message->at)
        return NULL;
    text = allocate((length + 1) * sizeof(WCHAR));
    memcpy(text, message->bytes + message->at, length * sizeof(WCHAR));
    message->at += length * sizeof(WCHAR);
    return text;
}

/* ---- connections ---- */

Connection *connection_new(HANDLE pipe)
{
    Connection *connection = allocate(sizeof(*connection));

    connection->pipe = pipe;
    return connection;
}

void connection_free(Connection *connection)
{
    if (!connection)
        return;
    CloseHandle(connection->pipe);
    release(connection->bytes);
    release(connection);
}

bool message_send(HANDLE pipe, Message *message)
{
    uint32_t length = (uint32_t)(message->length - sizeof(length));
    size_t sent = 0;
    DWORD written;

    memcpy(message->bytes, &length, sizeof(length));
    for (; sent < message->length; sent += written)
        if (!WriteFile(pipe, message->bytes + sent, (DWORD)(message->length - sent), &written,
                       NULL) ||
            !written)
            return false;
    return true;
}

/* Read more of what the other side has sent. */
static bool fill(Connection *connection)
{
    DWORD count;

    if (connection->room - connection->have < PIECE) {
        size_t room = connection->room * 2 + 2 * PIECE;
        unsigned char *grown = allocate(room);

        if (connection->have)
            memcpy(grown, connection->bytes, connection->have);
        release(connection->bytes);
        connection->bytes = grown;
        connection->room = room;
    }
    if (!ReadFile(connection->pipe, connection->bytes + connection->have,
                  (DWORD)(connection->room - connection->have), &count, NULL))
        return false;
    connection->have += count;
    return count > 0;
}

bool message_receive(Connection *connection, Message *message)
{
    uint32_t length;

    while (connection->have < sizeof(length))
        if (!fill(connection))
            return false;
    memcpy(&length, connection->bytes, sizeof(length));
    while (connection->have < sizeof(length) + length)
        if (!fill(connection))
            return false;
    message_begin(message);
    put(message, connection->bytes + sizeof(length), length);
    connection->have -= sizeof(length) + length;
    memmove(connection->bytes, connection->bytes + sizeof(length) + length, connection->have);
    return true;
}

void service_pipe(WCHAR path[MAX_PATH], const WCHAR *name)
{
    _snwprintf(path, MAX_PATH, L"\\\\.\\pipe\\hcsd-double-service-%.200ls", name);
}

Connection *service_connect(const WCHAR *name)
{
    WCHAR path[MAX_PATH];
    HANDLE pipe;

    service_pipe(path, name);
    for (;;) {
        pipe = CreateFileW(path, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);
        if (pipe != INVALID_HANDLE_VALUE)
            return connection_new(pipe);
        if (GetLastError() != ERROR_PIPE_BUSY)
            return NULL;
        WaitNamedPipeW(path, BUSY_MS);
    }
}

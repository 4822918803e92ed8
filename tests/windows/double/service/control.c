/*
 * What a test asks of a service, from whichever side it runs on.
 *
 *   hcsd-double counts NAME          what clients hold now, each and all; what is there and runs
 *   hcsd-double left NAME            what those held that have left
 *   hcsd-double idle NAME            returns when there is no client, at most after half a minute
 *   hcsd-double script NAME RULES    add rules of faults.c: a document, or the name of a file
 *   hcsd-double reset NAME           forget them
 *   hcsd-double disconnect NAME      the service goes away for its clients, and is back at once
 *   hcsd-double stop NAME            the service ends, and its processes
 *   hcsd-double ask NAME             does what each line of standard input says, VERB or VERB RULES,
 *                                    and answers each with a line: far quicker than a start for each
 *
 * The answer is JSON on standard output, null for what could not be done. Exit code 1: it could not be done; 2: there is no such
 * service, or no such verb.
 */
#include "double.h"

#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define IDLE_MS 30000

/* ---- in the service ---- */

/* Processes that run in any system. */
static UINT64 running(void)
{
    const System *system;
    const Process *process;
    UINT64 count = 0;

    lock();
    for (system = systems; system; system = system->next)
        for (process = system->processes; process; process = process->next)
            count++;
    unlock();
    return count;
}

static void word_all(Text *text)
{
    Counts total = {0};
    Text each = {0};

    word_clients(&each, &total);
    text_add_format(text,
                    "{\"operations\":%llu,\"systems\":%llu,\"processes\":%llu,\"strings\":%llu,"
                    "\"created systems\":%llu,\"pipes\":%llu,\"repeated starts\":%llu,"
                    "\"running\":%llu,\"held\":%llu,",
                    total.operations, total.systems, total.processes, total.strings,
                    live_systems(), live_pipes(), repeated_starts(), running(),
                    faults_waiting());
    text_add(text, L"\"clients\":");
    text_add(text, each.units);
    text_add(text, L"}");
    release(each.units);
}

static bool obey(const WCHAR *verb, const WCHAR *argument, Text *text)
{
    bool done = true;

    if (wcscmp(verb, L"counts") == 0)
        word_all(text);
    else if (wcscmp(verb, L"left") == 0)
        word_left(text);
    else if (wcscmp(verb, L"idle") == 0)
        done = clients_wait(IDLE_MS, false);
    else if (wcscmp(verb, L"script") == 0)
        done = argument && HcsdDoubleScript(argument) == S_OK;
    else if (wcscmp(verb, L"reset") == 0)
        HcsdDoubleReset();
    else if (wcscmp(verb, L"disconnect") == 0)
        HcsdDoubleDisconnect();
    else if (wcscmp(verb, L"stop") != 0)
        done = false;
    if (!text->length)
        text_add(text, L"{}");
    return done;
}

void serve_control(Connection *connection)
{
    Message message = {0};
    WCHAR *verb = NULL, *argument = NULL;
    Text text = {0};

    if (message_receive(connection, &message)) {
        verb = take_text(&message);
        argument = take_text(&message);
    }
    if (verb) {
        bool done = obey(verb, argument, &text);

        message_begin(&message);
        put_number(&message, !done);
        put_text(&message, text.units);
        message_send(connection->pipe, &message);
        if (wcscmp(verb, L"stop") == 0) {
            FlushFileBuffers(connection->pipe); /* until it has been read */
            service_stop();
        }
    }
    release(verb);
    release(argument);
    release(text.units);
    message_clear(&message);
}

/* ---- in the program that asks ---- */

static WCHAR *widen(const char *bytes, int size)
{
    WCHAR *text = allocate((size + 1) * sizeof(WCHAR));

    MultiByteToWideChar(CP_UTF8, 0, bytes, size, text, size);
    return text;
}

/* Rules, or what the file says that is named. NULL: there is none. */
static WCHAR *read_rules(const WCHAR *rules)
{
    static char bytes[1 << 20];
    FILE *file;
    size_t size;

    if (rules[0] == L'[')
        return copy_text(rules);
    file = _wfopen(rules, L"rb");
    if (!file)
        return NULL;
    size = fread(bytes, 1, sizeof(bytes), file);
    fclose(file);
    return widen(bytes, (int)size);
}

static void print(const WCHAR *text)
{
    int size = WideCharToMultiByte(CP_UTF8, 0, text, -1, NULL, 0, NULL, NULL);
    char *bytes = allocate(size);

    WideCharToMultiByte(CP_UTF8, 0, text, -1, bytes, size, NULL, NULL);
    puts(bytes);
    release(bytes);
}

/* Ask one thing and print the answer; returns the exit code. */
static int ask(const WCHAR *name, const WCHAR *verb, const WCHAR *argument)
{
    Connection *connection = service_connect(name);
    Message message = {0};
    WCHAR *text;
    int code = 2;

    if (!connection) {
        fwprintf(stderr, L"hcsd-double: no service '%ls'\n", name);
        return code;
    }
    message_begin(&message);
    put_number(&message, FOR_CONTROL);
    put_number(&message, 0);
    message_send(connection->pipe, &message);
    message_begin(&message);
    put_text(&message, verb);
    put_text(&message, argument);
    if (message_send(connection->pipe, &message) && message_receive(connection, &message)) {
        code = (int)take_number(&message);
        text = take_text(&message);
        print(code ? L"null" : text);
        release(text);
    }
    message_clear(&message);
    connection_free(connection);
    return code;
}

static int ask_lines(const WCHAR *name)
{
    static char line[1 << 20];
    WCHAR *verb, *argument;

    while (fgets(line, sizeof(line), stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        verb = widen(line, (int)strlen(line));
        argument = wcschr(verb, L' ');
        if (argument)
            *argument++ = 0;
        if (ask(name, verb, argument) == 2)
            print(L"null");
        fflush(stdout);
        release(verb);
    }
    return 0;
}

int control_main(int argc, WCHAR **argv)
{
    WCHAR *rules;
    int code;

    if (argc < 3)
        return 2;
    if (wcscmp(argv[1], L"ask") == 0)
        return ask_lines(argv[2]);
    rules = argc >= 4 ? read_rules(argv[3]) : NULL;
    code = ask(argv[2], argv[1], rules);
    release(rules);
    return code;
}

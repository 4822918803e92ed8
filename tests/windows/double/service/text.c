/*
 * Wide text that grows, and failures with their ResultError document.
 */
#include "double.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static void text_add_units(Text *text, const WCHAR *units, size_t count)
{
    if (text->length + count + 1 > text->room) {
        size_t room = (text->length + count + 1) * 2;
        WCHAR *grown = allocate(room * sizeof(WCHAR));

        if (text->length)
            memcpy(grown, text->units, text->length * sizeof(WCHAR));
        release(text->units);
        text->units = grown;
        text->room = room;
    }
    if (count)
        memcpy(text->units + text->length, units, count * sizeof(WCHAR));
    text->length += count;
    text->units[text->length] = 0;
}

void text_add(Text *text, const WCHAR *more)
{
    text_add_units(text, more, wcslen(more));
}

/* Only what is used here: %s, %ls, %lu, %ld, %llu and %04x. Those of C know no UTF-16. */
static void text_add_arguments(Text *text, const char *format, va_list arguments)
{
    WCHAR number[32], unit[2] = {0};
    const char *narrow;

    for (; *format; format++) {
        if (*format != '%') {
            unit[0] = (unsigned char)*format;
            text_add(text, unit);
            continue;
        }
        number[0] = 0;
        if (strncmp(++format, "ls", 2) == 0) {
            text_add(text, va_arg(arguments, const WCHAR *));
            format++;
        } else if (*format == 's') {
            for (narrow = va_arg(arguments, const char *); *narrow; narrow++) {
                unit[0] = (unsigned char)*narrow;
                text_add(text, unit);
            }
        } else if (strncmp(format, "llu", 3) == 0) {
            _snwprintf(number, ARRAYSIZE(number), L"%I64u",
                       va_arg(arguments, unsigned long long));
            format += 2;
        } else if (strncmp(format, "lu", 2) == 0) {
            _snwprintf(number, ARRAYSIZE(number), L"%lu", va_arg(arguments, unsigned long));
            format++;
        } else if (strncmp(format, "ld", 2) == 0) {
            _snwprintf(number, ARRAYSIZE(number), L"%ld", va_arg(arguments, long));
            format++;
        } else if (strncmp(format, "04x", 3) == 0) {
            _snwprintf(number, ARRAYSIZE(number), L"%04x", va_arg(arguments, unsigned));
            format += 2;
        } else {
            abort();
        }
        text_add(text, number);
    }
}

void text_add_format(Text *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_add_arguments(text, format, arguments);
    va_end(arguments);
}

void text_add_json(Text *text, const WCHAR *value)
{
    text_add(text, L"\"");
    for (; *value; value++) {
        if (*value == L'"' || *value == L'\\' || *value < 0x20)
            text_add_format(text, "\\u%04x", *value);
        else
            text_add_units(text, value, 1);
    }
    text_add(text, L"\"");
}

/* It is copied into the client, and freed here: see front.c. */
PWSTR give_text(const WCHAR *text)
{
    return copy_text(text);
}

HRESULT fail(Failure *failure, HRESULT code, const char *format, ...)
{
    Text message = {0};
    va_list arguments;

    failure_clear(failure);
    failure->code = code;
    va_start(arguments, format);
    text_add_arguments(&message, format, arguments);
    va_end(arguments);
    failure->message = message.units;
    return code;
}

void failure_clear(Failure *failure)
{
    release(failure->message);
    memset(failure, 0, sizeof(*failure));
}

WCHAR *result_error(const Failure *failure)
{
    const WCHAR *message = failure->message ? failure->message : L"failed on command";
    Text text = {0};

    if (failure->no_document)
        return NULL;
    text_add_format(&text, "{\"Error\":%ld,\"ErrorMessage\":", (long)failure->code);
    text_add_json(&text, message);
    text_add(&text, L",\"ErrorEvents\":[{\"Message\":");
    text_add_json(&text, message);
    text_add(&text, L",\"Source\":\"hcsd.double\"}]}");
    return text.units;
}

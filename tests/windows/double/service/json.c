/*
 * A strict JSON reader (RFC 8259) that keeps what HCS documents need: integers are whole, names are
 * compared by case, and nothing may follow the document.
 */
#include "double.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define MAX_DEPTH 64 /* deeper than any document of HCS; arbitrary */

typedef struct Reader {
    const WCHAR *at;
    int depth;
} Reader;

static bool read_value(Reader *reader, Json *value);

static void skip_space(Reader *reader)
{
    while (*reader->at == L' ' || *reader->at == L'\t' || *reader->at == L'\r' ||
           *reader->at == L'\n')
        reader->at++;
}

static bool take(Reader *reader, WCHAR unit)
{
    skip_space(reader);
    if (*reader->at != unit)
        return false;
    reader->at++;
    return true;
}

static bool read_hex(Reader *reader, WCHAR *unit)
{
    int digit;

    *unit = 0;
    for (digit = 0; digit < 4; digit++, reader->at++) {
        WCHAR c = *reader->at;

        if (c >= L'0' && c <= L'9')
            *unit = (WCHAR)(*unit << 4 | (c - L'0'));
        else if ((c | 0x20) >= L'a' && (c | 0x20) <= L'f')
            *unit = (WCHAR)(*unit << 4 | ((c | 0x20) - L'a' + 10));
        else
            return false;
    }
    return true;
}

static bool read_escape(Reader *reader, WCHAR *unit)
{
    static const WCHAR names[] = L"\"\\/bfnrt", values[] = L"\"\\/\b\f\n\r\t";
    const WCHAR *found;

    if (*reader->at == L'u') {
        reader->at++;
        return read_hex(reader, unit);
    }
    found = *reader->at ? wcschr(names, *reader->at) : NULL;
    if (!found)
        return false;
    *unit = values[found - names];
    reader->at++;
    return true;
}

static WCHAR *read_string(Reader *reader, bool *holds_nul)
{
    Text text = {0};

    text_add(&text, L"");
    while (*reader->at != L'"') {
        WCHAR unit[2] = {*reader->at, 0};

        if (unit[0] < 0x20)
            goto malformed; /* the end of the document, too */
        reader->at++;
        if (unit[0] == L'\\' && !read_escape(reader, unit))
            goto malformed;
        if (!unit[0])
            *holds_nul = true;
        text_add(&text, unit);
    }
    reader->at++;
    return text.units;
malformed:
    release(text.units);
    return NULL;
}

static bool read_number(Reader *reader, Json *value)
{
    const WCHAR *start = reader->at;
    WCHAR *end;

    value->kind = JSON_INTEGER;
    if (*reader->at == L'-')
        reader->at++;
    if (*reader->at == L'0')
        reader->at++;
    else
        while (*reader->at >= L'0' && *reader->at <= L'9')
            reader->at++;
    if (reader->at == start || reader->at[-1] == L'-')
        return false;
    value->integer = wcstoll(start, &end, 10);
    if (*reader->at == L'.' || (*reader->at | 0x20) == L'e') {
        value->kind = JSON_NUMBER;
        wcstod(start, &end);
        if (end[-1] < L'0' || end[-1] > L'9')
            return false;
        reader->at = end;
    }
    return true;
}

static bool read_word(Reader *reader, Json *value)
{
    static const struct {
        const WCHAR *word;
        JsonKind kind;
        int64_t integer;
    } words[] = {{L"true", JSON_BOOL, 1}, {L"false", JSON_BOOL, 0}, {L"null", JSON_NULL, 0}};
    size_t index;

    for (index = 0; index < ARRAYSIZE(words); index++) {
        size_t length = wcslen(words[index].word);

        if (wcsncmp(reader->at, words[index].word, length) == 0) {
            value->kind = words[index].kind;
            value->integer = words[index].integer;
            reader->at += length;
            return true;
        }
    }
    return false;
}

/* The members of an object, or the items of an array. */
static bool read_items(Reader *reader, Json *parent, WCHAR end)
{
    Json **link = &parent->first;

    if (++reader->depth > MAX_DEPTH)
        return false;
    if (!take(reader, end)) {
        do {
            Json *item = *link = allocate(sizeof(Json));

            link = &item->next;
            parent->count++;
            if (end == L'}') {
                bool holds_nul = false;

                if (!take(reader, L'"') || !(item->name = read_string(reader, &holds_nul)) ||
                    holds_nul || !take(reader, L':'))
                    return false;
            }
            if (!read_value(reader, item))
                return false;
        } while (take(reader, L','));
        if (!take(reader, end))
            return false;
    }
    reader->depth--;
    return true;
}

static bool read_value(Reader *reader, Json *value)
{
    skip_space(reader);
    switch (*reader->at) {
    case L'{':
        reader->at++;
        value->kind = JSON_OBJECT;
        return read_items(reader, value, L'}');
    case L'[':
        reader->at++;
        value->kind = JSON_ARRAY;
        return read_items(reader, value, L']');
    case L'"':
        reader->at++;
        value->kind = JSON_STRING;
        return (value->string = read_string(reader, &value->holds_nul)) != NULL;
    default:
        return read_word(reader, value) || read_number(reader, value);
    }
}

Json *json_read(const WCHAR *text)
{
    Reader reader = {text, 0};
    Json *value = allocate(sizeof(Json));

    if (read_value(&reader, value)) {
        skip_space(&reader);
        if (!*reader.at)
            return value;
    }
    json_free(value);
    return NULL;
}

void json_free(Json *value)
{
    while (value) {
        Json *next = value->next;

        json_free(value->first);
        release(value->name);
        release(value->string);
        release(value);
        value = next;
    }
}

const Json *json_member(const Json *object, const WCHAR *name)
{
    const Json *item, *found = NULL;

    if (!object || object->kind != JSON_OBJECT)
        return NULL;
    for (item = object->first; item; item = item->next)
        if (wcscmp(item->name, name) == 0)
            found = item; /* of several, the last one counts */
    return found;
}

bool json_is(const Json *value, const WCHAR *string)
{
    return value && value->kind == JSON_STRING && wcscmp(value->string, string) == 0;
}

bool json_true(const Json *value)
{
    return value && value->kind == JSON_BOOL && value->integer;
}

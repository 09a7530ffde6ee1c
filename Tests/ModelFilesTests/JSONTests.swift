import Testing

import ModelFiles

@Suite struct JSONTests {
    @Test func readsEveryKind() throws {
        let value = try JSONValue.parse(
            #" {"a":[1,-2.5,1e3,true,false,null],"b":{"c":"x\n\"\\\/\b\f\r\té\ud83d\ude42"},"":9007199254740993,"d":[],"e":{}} "#)
        let expected: JSONValue = [
            "a": [1, -2.5, 1000.0, true, false, nil], "b": ["c": "x\n\"\\/\u{8}\u{C}\r\té🙂"], "": 9_007_199_254_740_993,
            "d": [], "e": [:],
        ]
        #expect(value == expected)
        #expect(value["a"]?[1]?.doubleValue == -2.5)
        #expect(value["a"]?[6] == nil && value["x"] == nil && value["a"]?["x"] == nil)
        #expect(value[""]?.intValue == 9_007_199_254_740_993)
        #expect(value["a"]?[0]?.doubleValue == 1 && value["a"]?[2]?.intValue == nil && value["a"]?[5]?.isNull == true)
        #expect(value.objectValue?.keys == ["a", "b", "", "d", "e"])
    }

    @Test func keepsWhatDoublesWouldLose() throws {
        #expect(try JSONValue.parse("9223372036854775807") == .integer(.max))
        #expect(try JSONValue.parse("-9223372036854775808") == .integer(.min))
        #expect(try JSONValue.parse("9223372036854775808") == .number(9_223_372_036_854_775_808))
        #expect(try JSONValue.parse("-0").doubleValue?.sign == .minus)
        #expect(try JSONValue.parse("0") == .integer(0))
    }

    @Test func keysDifferByBytesNotByCanonicalEquivalence() throws {
        let value = try JSONValue.parse("{\"\u{212B}\":1,\"\u{C5}\":2,\"A\u{30A}\":3}")
        #expect(value.objectValue?.count == 3)
        #expect(value["\u{C5}"] == 2 && value["A\u{30A}"] == 3)
        #expect(JSONValue.string("\u{212B}") != JSONValue.string("\u{C5}"))
    }

    @Test(arguments: [
        ("", JSONError.unexpectedEnd(offset: 0)),
        ("  ", .unexpectedEnd(offset: 2)),
        ("{", .unexpectedEnd(offset: 1)),
        ("[1,", .unexpectedEnd(offset: 3)),
        ("\"abc", .unexpectedEnd(offset: 4)),
        ("\"a\\", .unexpectedEnd(offset: 3)),
        ("tru", .unexpectedEnd(offset: 3)),
        ("trux", .unexpectedByte(0x78, expected: "true", offset: 3)),
        ("[1 2]", .unexpectedByte(0x32, expected: "',' or ']'", offset: 3)),
        ("[1,]", .unexpectedByte(0x5D, expected: "a value", offset: 3)),
        ("{1:2}", .unexpectedByte(0x31, expected: "a key", offset: 1)),
        ("{\"a\" 2}", .unexpectedByte(0x32, expected: "':'", offset: 5)),
        ("{\"a\":1,}", .unexpectedByte(0x7D, expected: "a key", offset: 7)),
        ("NaN", .unexpectedByte(0x4E, expected: "a value", offset: 0)),
        ("\u{FEFF}1", .unexpectedByte(0xEF, expected: "a value", offset: 0)),
        ("1 x", .trailingBytes(offset: 2)),
        ("01", .invalidNumber(offset: 0)),
        ("-", .invalidNumber(offset: 0)),
        ("1.", .invalidNumber(offset: 0)),
        ("[1e+]", .invalidNumber(offset: 1)),
        ("1e999", .numberOutOfRange(offset: 0)),
        ("\"a\nb\"", .controlCharacterInString(offset: 2)),
        ("\"\\t\u{1}\"", .controlCharacterInString(offset: 3)),
        ("\"\\x\"", .invalidEscape(offset: 1)),
        ("\"\\u12g4\"", .invalidEscape(offset: 1)),
        ("\"\\ud800\"", .invalidEscape(offset: 1)),
        ("\"\\udc00\\ud800\"", .invalidEscape(offset: 1)),
        ("\"\\ud800\\u0041\"", .invalidEscape(offset: 1)),
        ("{\"a\":1,\"b\":2,\"a\":3}", .duplicateKey("a", offset: 13)),
        ("{\"a\":1,\"\\u0061\":3}", .duplicateKey("a", offset: 7)),
    ])
    func refuses(text: String, expected: JSONError) {
        #expect(throws: expected) { try JSONValue.parse(text) }
    }

    @Test(arguments: [
        ([0x22, 0x61, 0xFF, 0x22], 2), ([0x22, 0xC3, 0xA9, 0xC3, 0x22], 3), ([0x22, 0xED, 0xA0, 0x80, 0x22], 1),
        ([0x22, 0xC0, 0x80, 0x22], 1), ([0x22, 0x5C, 0x6E, 0xF5, 0x22], 3),
    ] as [([UInt8], Int)])
    func refusesInvalidUTF8(bytes: [UInt8], offset: Int) {
        #expect(throws: JSONError.invalidUTF8(offset: offset)) { try JSONValue.parse(bytes) }
    }

    @Test func depthIsBounded() throws {
        let deep = { (depth: Int) in String(repeating: "[", count: depth) + String(repeating: "]", count: depth) }
        _ = try JSONValue.parse(deep(128))
        #expect(throws: JSONError.tooDeep(limit: 128, offset: 128)) { try JSONValue.parse(deep(129)) }
        #expect(throws: JSONError.tooDeep(limit: 128, offset: 640)) {
            try JSONValue.parse(String(repeating: "{\"a\":", count: 1_000_000))
        }
    }

    @Test func messagesAreOneLine() {
        #expect(JSONError.duplicateKey("a\nb", offset: 3).description == #"duplicate JSON key "a\u{A}b" at byte 3"#)
        #expect(
            JSONError.unexpectedByte(0x0A, expected: "a value", offset: 3).description
                == "expected a value at byte 3 of the JSON, found byte 0x0A")
    }

    @Test func writesWhatItReads() throws {
        let text = #"{"b":[1,-2.5,1e-07,true,null,"a\n\u0001\"\\é"],"a":{},"c":[],"d":5.0}"#
        let value = try JSONValue.parse(text)
        #expect(try value.text() == text)
        #expect(try JSONValue.parse(value.text(pretty: true)) == value)
        #expect(try JSONValue.parse(#"{"a":[1,{}],"b":2}"#).text(pretty: true) == "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": 2\n}\n")
        #expect(throws: JSONError.numberNotFinite) { try JSONValue.number(.infinity).text() }
    }

    /// Every truncation of a document is an error, never a value and never a crash.
    @Test func everyTruncationFails() throws {
        let bytes = Array(#"{"a":[1.5e2,true,null,"x\u00e9\n"],"b":{"c":-7}}"#.utf8)
        for length in 0..<bytes.count {
            #expect(throws: JSONError.self) { try JSONValue.parse(Array(bytes[..<length])) }
        }
    }

    @Test func objectsEdit() {
        var object = JSONObject()
        object["a"] = 1
        object["b"] = 2
        object["a"] = 3
        #expect(object.map(\.key) == ["a", "b"] && object["a"] == 3)
        object["a"] = nil
        #expect(object.keys == ["b"] && object.count == 1)
    }
}

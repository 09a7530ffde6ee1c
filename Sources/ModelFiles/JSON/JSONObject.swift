import OrderedCollections

/// The members of a JSON object in their order.
///
/// Keys are told apart by their UTF-8 bytes. `String` itself compares by canonical equivalence, which would merge
/// vocabulary entries such as U+00C5 and U+212B that a tokenizer must keep apart.
public struct JSONObject: Sendable {
    private var members: OrderedDictionary<ExactString, JSONValue>

    public init() { members = [:] }

    public var count: Int { members.count }
    public var isEmpty: Bool { members.isEmpty }
    public var keys: [String] { members.keys.map(\.text) }
    public var values: [JSONValue] { Array(members.values) }

    /// Reads nil where there is no such member; writing nil removes the member, a new key goes to the end. O(1), removal O(count).
    public subscript(key: String) -> JSONValue? {
        get { members[ExactString(key)] }
        set { members[ExactString(key)] = newValue }
    }

    /// Appends a member; false (and no change) when the key is there already.
    mutating func append(_ key: String, _ value: JSONValue) -> Bool {
        let (original, _) = members.updateValue(value, forKey: ExactString(key), insertingAt: members.count)
        guard let original else { return true }
        members[ExactString(key)] = original
        return false
    }
}

extension JSONObject: Equatable {
    /// Equal when the members are the same in the same order.
    public static func == (left: JSONObject, right: JSONObject) -> Bool { left.members == right.members }
}

extension JSONObject: RandomAccessCollection {
    public var startIndex: Int { 0 }
    public var endIndex: Int { members.count }

    /// The member at that place in file order.
    public subscript(position: Int) -> (key: String, value: JSONValue) {
        let member = members.elements[position]
        return (member.key.text, member.value)
    }
}

/// A string that is equal to another when their UTF-8 bytes are.
struct ExactString: Hashable, Sendable {
    let text: String

    init(_ text: String) { self.text = text }

    static func == (left: ExactString, right: ExactString) -> Bool {
        let left = left.text.utf8, right = right.text.utf8
        return left.count == right.count && left.elementsEqual(right)
    }

    func hash(into hasher: inout Hasher) {
        var copy = text
        copy.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}

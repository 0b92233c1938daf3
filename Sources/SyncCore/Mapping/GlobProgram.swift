/// One character of a name, or one byte of a name that is not UTF-8 there.
enum GlobUnit {
    private static let beyondUnicode: UInt32 = 0x110000

    static func number(ofLone byte: UInt8) -> UInt32 {
        byte < 0x80 ? UInt32(byte) : beyondUnicode + UInt32(byte)
    }

    /// The unit at the start of `bytes`, and how many bytes it has; `nil` at the end.
    static func next(in bytes: ArraySlice<UInt8>) -> (number: UInt32, length: Int)? {
        guard let first = bytes.first else { return nil }
        if first < 0x80 { return (UInt32(first), 1) }
        var iterator = bytes.prefix(4).makeIterator()
        var decoder = UTF8()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else { return (number(ofLone: first), 1) }
        return (scalar.value, UTF8.width(scalar))
    }
}

/// A glob as a small machine. Each pair of instruction and position is visited once at most, so that no pattern
/// takes longer than its length times the length of the path.
struct GlobProgram: Hashable, Sendable {
    private enum Instruction: Hashable, Sendable {
        case byte(UInt8)
        /// One unit that is no slash.
        case character
        case set(GlobSet)
        /// One byte, a slash included.
        case any
        /// Goes on at both.
        case split(Int, Int)
        case jump(Int)
        case match
    }

    private var instructions: [Instruction] = []
    /// The bytes that every match ends in: most names fail here, without the machine.
    private let suffix: [UInt8]
    private let prefix: [UInt8]
    private let matchesEverything: Bool

    init(_ nodes: [GlobNode]) {
        prefix = Self.literals(nodes)
        suffix = Self.literals(nodes.reversed()).reversed()
        matchesEverything = nodes == [.everything] || nodes == [.folders, .characters]
        append(nodes)
        instructions.append(.match)
    }

    private static func literals(_ nodes: some Sequence<GlobNode>) -> [UInt8] {
        var bytes: [UInt8] = []
        for case .byte(let byte) in nodes.prefix(while: { if case .byte = $0 { true } else { false } }) {
            bytes.append(byte)
        }
        return bytes
    }

    // MARK: Translating

    private mutating func append(_ nodes: [GlobNode]) {
        for node in nodes { append(node) }
    }

    private mutating func append(_ node: GlobNode) {
        switch node {
        case .byte(let byte): instructions.append(.byte(byte))
        case .character: instructions.append(.character)
        case .set(let set): instructions.append(.set(set))
        case .characters: appendLoop { $0.append(.character) }
        case .folders:
            appendLoop { program in
                program.append(.character)
                program.append(.characters)
                program.append(.byte(UInt8(ascii: "/")))
            }
        case .everything:
            instructions.append(.any)
            appendLoop { $0.instructions.append(.any) }
        case .anyOf(let alternatives): append(alternatives: alternatives)
        }
    }

    private mutating func appendLoop(_ body: (inout GlobProgram) -> Void) {
        let start = instructions.count
        instructions.append(.match)
        body(&self)
        instructions.append(.jump(start))
        instructions[start] = .split(start + 1, instructions.count)
    }

    private mutating func append(alternatives: [[GlobNode]]) {
        var jumps: [Int] = []
        for (index, alternative) in alternatives.enumerated() {
            let isLast = index == alternatives.count - 1
            let split = instructions.count
            if !isLast { instructions.append(.match) }
            append(alternative)
            guard !isLast else { break }
            jumps.append(instructions.count)
            instructions.append(.match)
            instructions[split] = .split(split + 1, instructions.count)
        }
        for jump in jumps { instructions[jump] = .jump(instructions.count) }
    }

    // MARK: Matching

    func matches(_ bytes: ArraySlice<UInt8>) -> Bool {
        guard !bytes.isEmpty else { return false }
        if matchesEverything { return true }
        guard bytes.count >= max(prefix.count, suffix.count), bytes.starts(with: prefix),
            bytes.suffix(suffix.count).elementsEqual(suffix)
        else { return false }
        return run(bytes)
    }

    private func run(_ bytes: ArraySlice<UInt8>) -> Bool {
        let width = bytes.count + 1
        var visited = [Bool](repeating: false, count: instructions.count * width)
        var open = [(instruction: 0, offset: 0)]
        func visit(_ instruction: Int, _ offset: Int) {
            let place = instruction * width + offset
            guard !visited[place] else { return }
            visited[place] = true
            open.append((instruction, offset))
        }
        while let (instruction, offset) = open.popLast() {
            let rest = bytes.dropFirst(offset)
            switch instructions[instruction] {
            case .match: if rest.isEmpty { return true }
            case .jump(let target): visit(target, offset)
            case .split(let first, let second):
                visit(second, offset)
                visit(first, offset)
            case .byte(let byte): if rest.first == byte { visit(instruction + 1, offset + 1) }
            case .any: if !rest.isEmpty { visit(instruction + 1, offset + 1) }
            case .character:
                guard let unit = GlobUnit.next(in: rest), rest.first != UInt8(ascii: "/") else { continue }
                visit(instruction + 1, offset + unit.length)
            case .set(let set):
                guard let unit = GlobUnit.next(in: rest), rest.first != UInt8(ascii: "/"), set.contains(unit.number)
                else { continue }
                visit(instruction + 1, offset + unit.length)
            }
        }
        return false
    }
}

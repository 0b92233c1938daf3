extension SandboxFault {
    /// Problems of a script of faults, one a line, as `NAME:LINE: …`.
    public struct ScriptError: Error, CustomStringConvertible, Sendable {
        public var description: String
    }

    /// Reads a script: one fault a line in its text form; empty lines and those that begin with `#` say nothing. Throws
    /// ``ScriptError`` with every problem.
    public static func script(_ text: String, name: String) throws(ScriptError) -> [SandboxFault] {
        var faults: [SandboxFault] = []
        var problems: [String] = []
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = trimmed(raw)
            guard !line.isEmpty, !line.hasPrefix("#") else { continue }
            do throws(ParseError) {
                faults.append(try SandboxFault(line))
            } catch {
                problems.append("\(name):\(index + 1): \(error.description)")
            }
        }
        guard problems.isEmpty else { throw ScriptError(description: problems.joined(separator: "\n")) }
        return faults
    }

    /// Reads the script in a file. Throws ``ScriptError`` also where the file cannot be read.
    public static func script(at path: String) throws(ScriptError) -> [SandboxFault] {
        let content: [UInt8]?
        do throws(FileFailure) {
            content = try Files.read(path)
        } catch {
            throw ScriptError(description: "\(error)")
        }
        guard let content else { throw ScriptError(description: "\(path): there is no such file") }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw ScriptError(description: "\(path): not UTF-8")
        }
        return try script(text, name: path)
    }

    private static func trimmed(_ line: Substring) -> String {
        func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" || character == "\r" }
        var rest = line.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return String(rest)
    }
}

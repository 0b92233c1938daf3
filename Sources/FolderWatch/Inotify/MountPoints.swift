/// What is mounted below a folder, as far as it can be compared.
enum MountPoints {
    /// The lines of `mountinfo` whose mount point lies below `folder`, reduced to mount id and point.
    ///
    /// - Parameter folder: absolute, links resolved.
    static func below(_ folder: [UInt8], in mountinfo: [UInt8]) -> Set<[UInt8]> {
        let prefix = folder == [UInt8(ascii: "/")] ? folder : folder + [UInt8(ascii: "/")]
        var points: Set<[UInt8]> = []
        for line in mountinfo.split(separator: UInt8(ascii: "\n")) {
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count >= 5 else { continue }
            let point = unescaped(fields[4])
            if point.starts(with: prefix), point.count > prefix.count {
                points.insert(fields[0] + [UInt8(ascii: " ")] + point)
            }
        }
        return points
    }

    /// Blanks, tabs, line ends and backslashes are written as a backslash and three octal digits.
    private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = field
        while let byte = rest.popFirst() {
            let digits = rest.prefix(3).map { Int($0) - Int(UInt8(ascii: "0")) }
            if byte == UInt8(ascii: "\\"), digits.count == 3, digits.allSatisfy((0...7).contains),
                let value = UInt8(exactly: digits[0] * 64 + digits[1] * 8 + digits[2])
            {
                result.append(value)
                rest.removeFirst(3)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}

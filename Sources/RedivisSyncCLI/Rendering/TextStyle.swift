import Glibc

/// How text for people is laid out: colours and a width on a terminal, plain lines elsewhere.
struct TextStyle: Hashable, Sendable {
    let hasColour: Bool
    /// In columns; `nil` where no terminal shows it, so that nothing is wrapped.
    let width: Int?

    static let plain = TextStyle(hasColour: false, width: nil)

    static var standardOutput: TextStyle { ofDescriptor(STDOUT_FILENO) }
    static var standardError: TextStyle { ofDescriptor(STDERR_FILENO) }

    var isTerminal: Bool { width != nil }

    /// - Parameters:
    ///   - columns: of the terminal; `nil` where it is none.
    ///   - variable: gives the variables of the environment.
    init(columns: Int?, variable: (String) -> String?) {
        width = columns.map { max($0, 20) }
        // https://no-color.org: present and not empty.
        let isRefused = variable("NO_COLOR").map { !$0.isEmpty } ?? false
        hasColour = width != nil && !isRefused && variable("TERM") != "dumb"
    }

    init(hasColour: Bool, width: Int?) {
        self.hasColour = hasColour
        self.width = width
    }

    private static func ofDescriptor(_ descriptor: Int32) -> TextStyle {
        TextStyle(columns: columns(of: descriptor)) { name in getenv(name).map { String(cString: $0) } }
    }

    /// 80 where the terminal does not tell; `nil` where it is no terminal (`man 2 ioctl_tty`).
    private static func columns(of descriptor: Int32) -> Int? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    // MARK: Colours

    /// What a colour means here; the codes are those of ECMA-48 (SGR), which every terminal has.
    enum Tint: String, Sendable {
        case good = "32"
        case busy = "36"
        case pending = "33"
        case choice = "35"
        case bad = "31"
        case faint = "2"
        case strong = "1"
    }

    func paint(_ text: String, _ tint: Tint?) -> String {
        guard hasColour, let tint, !text.isEmpty else { return text }
        return "\u{1B}[\(tint.rawValue)m\(text)\u{1B}[0m"
    }
}

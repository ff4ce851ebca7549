import java.io.FileInputStream;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.io.PrintStream;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.naming.ldap.LdapName;
import javax.naming.ldap.Rdn;

/** Prints what java.security.cert and java.net.URI read in each certificate of a PEM bundle, as JSON. */
public class Reader {
    static final Map<Integer, String> KINDS = Map.of(1, "mail", 2, "dns", 6, "uri", 7, "ip");

    static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char one : text.toCharArray()) {
            if (one < 32 || one > 126 || one == '"' || one == '\\') {
                out.append(String.format("\\u%04x", (int) one));
            } else {
                out.append(one);
            }
        }
        return out.append('"').toString();
    }

    // The host as it stands in the authority: getHost() is null for names with an underscore.
    static String place(String text) {
        URI uri = URI.create(text);
        String authority = uri.getRawAuthority() == null ? "" : uri.getRawAuthority();
        authority = authority.substring(authority.lastIndexOf('@') + 1);
        String host = authority.replaceFirst(":[0-9]*$", "");
        String path = uri.getPath() == null ? "" : uri.getPath();
        return "[" + quoted(host) + "," + quoted(path) + "]";
    }

    static String read(X509Certificate certificate) {
        Map<String, List<String>> found = new TreeMap<>();
        for (String kind : List.of("cn", "o", "mail", "dns", "uri", "ip")) {
            found.put(kind, new ArrayList<>());
        }
        try {
            if (certificate.getSubjectAlternativeNames() != null) {
                for (List<?> name : certificate.getSubjectAlternativeNames()) {
                    String kind = KINDS.get((Integer) name.get(0));
                    if (kind != null) {
                        String text = (String) name.get(1);
                        found.get(kind).add(kind.equals("uri") ? place(text) : quoted(text));
                    }
                }
            }
            for (Rdn part : new LdapName(certificate.getSubjectX500Principal().getName()).getRdns()) {
                List<String> values = found.get(part.getType().toLowerCase());
                if (values != null) {
                    values.add(quoted((String) part.getValue()));
                }
            }
        } catch (Exception error) {
            return "{\"error\":" + quoted(error.toString()) + "}";
        }
        List<String> fields = new ArrayList<>();
        found.forEach((kind, values) -> fields.add(quoted(kind) + ":[" + String.join(",", values) + "]"));
        return "{" + String.join(",", fields) + "}";
    }

    public static void main(String[] arguments) throws Exception {
        List<String> all = new ArrayList<>();
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        try (FileInputStream file = new FileInputStream(arguments[0])) {
            for (Certificate one : factory.generateCertificates(file)) {
                all.add(read((X509Certificate) one));
            }
        }
        new PrintStream(System.out, true, StandardCharsets.UTF_8).println("[" + String.join(",", all) + "]");
    }
}

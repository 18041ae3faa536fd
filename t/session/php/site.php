<?php
// site.php - a PHP site that counts each visitor's clicks with PHP's own sessions; where those lie is for the ini settings to say.
//
// usage: php -S ADDRESS -d session.save_handler=... -d session.save_path=... site.php

header('Content-Type: text/plain');
if (!session_start()) {
    http_response_code(503);
    exit('no session');
}

/** Says who is there, once the session is stored. */
function greet(): void
{
    $text = isset($_SESSION['name']) ? "{$_SESSION['name']} {$_SESSION['clicks']}" : 'nobody';
    // What it returns does not tell; the warning does.
    error_clear_last();
    if (!session_write_close() || error_get_last() !== null) {
        http_response_code(503);
        $text = 'not stored';
    }
    echo $text;
}

switch (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH)) {
    case '/login':
        session_regenerate_id(true);
        $_SESSION['name'] = $_GET['name'];
        $_SESSION['clicks'] = 0;
        greet();
        break;
    case '/view':
        greet();
        break;
    case '/slow':
        usleep(1000 * (int) $_GET['ms']);
        // fall through
    case '/click':
        if (isset($_SESSION['name'])) {
            $_SESSION['clicks'] += 1;
        }
        greet();
        break;
    case '/empty':
        $_SESSION = [];
        greet();
        break;
    case '/logout':
        if (!session_destroy()) {
            http_response_code(503);
        }
        echo 'bye';
        break;
    default:
        http_response_code(404);
}
